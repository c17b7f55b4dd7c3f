"""A medium that is reached by commands: one reads what is stored, one writes what is fetched.

The commands are those of the file on the worker's host (``media_file``), never of a row: whoever
chooses them runs programs as the worker. ``{piece}`` is replaced only where it is a whole argument,
so that no name of a piece becomes a part of an option or of a script.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from backups.exceptions import RepositoryError, RunnerError
from backups.repositories.sequential.blocks import DEFAULT_BLOCK
from backups.repositories.sequential.pipeline import Pipeline, Surroundings
from backups.runners.local import find_program

PLACEHOLDER = "{piece}"
Part = tuple[str, ...]
# A list of a million names; more is no list of ours.
MOST_LISTED_BYTES = 256 * 1024 * 1024
# Exit code of ``exists`` where the piece is not there, unless the medium has another. Most programs
# end with it after an error, too.
NOT_THERE = 1


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands of one medium. ``store`` and ``fetch`` may be several, joined by pipes."""

    store: tuple[Part, ...]
    fetch: tuple[Part, ...]
    # At least one of the two.
    exists: Part = ()
    not_there: int = NOT_THERE
    list: Part = ()
    remove: Part = ()
    block_bytes: int = DEFAULT_BLOCK
    surroundings: Surroundings = field(default_factory=Surroundings)


class PipeMedium:
    """Pieces pass through commands."""

    def __init__(self, name: str, commands: Commands) -> None:
        self._name, self._commands = name, commands
        self.block_bytes = commands.block_bytes
        self.can_remove = bool(commands.remove)

    def check(self) -> None:
        """Find every program on this host."""
        commands = self._commands
        single = [part for part in (commands.exists, commands.list, commands.remove) if part]
        for part in (*commands.store, *commands.fetch, *single):
            try:
                find_program(part[0])
            except RunnerError as exc:
                raise RepositoryError(f"medium {self._name}: {exc}", hint=exc.hint) from None

    def store(self, piece: str) -> PipeSink:
        return PipeSink(self._start(self._commands.store, piece, "storing", takes_input=True))

    def fetch(self, piece: str, block_bytes: int) -> PipeSource:
        pipeline = self._start(self._commands.fetch, piece, "fetching", takes_input=False)
        return PipeSource(pipeline, block_bytes)

    def holds(self, piece: str) -> bool:
        if self._commands.exists:
            good = {0, self._commands.not_there}
            return not self._run(self._commands.exists, piece, "looking for", good)[1]
        return piece in set(self.names() or ())

    def names(self) -> Iterator[str] | None:
        if not self._commands.list:
            return None
        output, _ = self._run(self._commands.list, "", "listing the pieces of", {0})
        return iter(output.decode("utf-8", "replace").splitlines())

    def remove(self, piece: str) -> bool:
        # Of a piece that is gone, nobody knows which exit code a media manager has.
        if found := self.holds(piece):
            self._run(self._commands.remove, piece, "removing", {0})
        return found

    def _run(self, part: Part, piece: str, what: str, good: set[int]) -> tuple[bytes, int]:
        pipeline = self._start((part,), piece, what, takes_input=False)
        try:
            output = bytearray()
            while chunk := pipeline.read(65536):
                output += chunk
                if len(output) > MOST_LISTED_BYTES:
                    raise RepositoryError(f"{what} medium {self._name}: {part[0]} writes no end")
            codes = pipeline.ends()
            if codes[0] not in good:
                raise pipeline.failure(codes)
            return bytes(output), codes[0]
        finally:
            pipeline.stop()

    def _start(
        self, parts: Sequence[Part], piece: str, what: str, *, takes_input: bool
    ) -> Pipeline:
        named = f"{what} {f'piece {piece} on ' if piece else ''}medium {self._name}"
        words = [[piece if word == PLACEHOLDER else word for word in part] for part in parts]
        return Pipeline(
            words,
            self._commands.surroundings,
            what=named,
            takes_input=takes_input,
            gives_output=not takes_input,
        )


class PipeSink:
    """A piece that a command stores."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def write(self, block: bytes) -> None:
        self._pipeline.write(block)

    def finish(self) -> None:
        self._pipeline.finish()

    def abort(self) -> None:
        self._pipeline.stop()

    def kill(self) -> None:
        self._pipeline.kill()


class PipeSource:
    """A piece that a command fetches."""

    def __init__(self, pipeline: Pipeline, block_bytes: int) -> None:
        self._pipeline, self._block_bytes = pipeline, block_bytes

    def read(self) -> bytes:
        parts, left = [], self._block_bytes
        while left and (chunk := self._pipeline.read(left)):
            parts.append(chunk)
            left -= len(chunk)
        return b"".join(parts)

    def finish(self) -> None:
        self._pipeline.finish()

    def abort(self) -> None:
        self._pipeline.stop()

    def kill(self) -> None:
        self._pipeline.kill()
