"""How do bytes pass through commands of the worker's host, and how is each part's end known?

The parts are programs with their arguments, never a shell. The first gets what is written, the last
gives what is read. Nothing is limited in length of time: what moves no byte for too long is ended.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, BinaryIO

from backups.exceptions import RepositoryError, RunnerError
from backups.runners.groups import end_group
from backups.runners.local import PIPE_BYTES, LocalCommand, find_program, spawn

# Of what a command writes to its standard error, the end is kept.
TAIL_BYTES = 4096
SHOWN_CHARACTERS = 300
# Nothing reports when a pipe is empty: it is looked at this often, at the end of a piece only.
TAKEN_MILLISECONDS = 5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """In which environment and folder commands run, and how long they may be silent."""

    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None
    stall_seconds: float = 600.0


class Pipeline:
    """Commands that run at the same time, each reading what the one before writes."""

    def __init__(
        self,
        parts: Sequence[Sequence[str]],
        surroundings: Surroundings,
        *,
        what: str,
        takes_input: bool,
        gives_output: bool,
    ) -> None:
        """``what`` names the piece and what is done with it, for errors."""
        self._what, self._patience = what, surroundings.stall_seconds
        self._names = [part[0] for part in parts]
        self._commands: list[LocalCommand] = []
        self._tails: list[_Tail] = []
        self._moved = 0
        self._stopped = False
        stdin = subprocess.PIPE if takes_input else subprocess.DEVNULL
        try:
            for part in parts:
                stdin = self._start(part, surroundings, stdin)
        except RunnerError as exc:
            self.stop()
            raise RepositoryError(f"{what} failed: {exc}", hint=exc.hint) from None
        self._output = self._commands[-1].stdout
        self._input: IO[bytes] | None = None
        if not gives_output:
            # Of no interest, and it must not block the command.
            self._tails.append(_Tail(self._output))
        if takes_input:
            self._input = self._commands[0].stdin
            if self._input is not None:
                os.set_blocking(self._input.fileno(), False)
                with suppress(OSError):
                    fcntl.fcntl(self._input, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def write(self, content: bytes) -> None:
        """Pass bytes to the first command; RepositoryError if it does not take them."""
        if self._input is None:
            raise RepositoryError(f"{self._what} failed: its input is closed")
        view = memoryview(content)
        while view:
            self._await(self._input, select.POLLOUT)
            try:
                taken = os.write(self._input.fileno(), view)
            except BlockingIOError:
                continue
            except OSError:
                self._check_ends()
                raise self._took_only(0) from None
            view = view[taken:]
            self._moved += taken

    def read(self, most: int) -> bytes:
        """Return the next bytes of the last command; empty at the end."""
        self._await(self._output, select.POLLIN)
        content = os.read(self._output.fileno(), most)
        self._moved += len(content)
        return content

    def finish(self) -> None:
        """Wait for all commands; RepositoryError unless each ended with exit code 0.

        And unless the first one took every byte: what a pipe still holds was stored nowhere.
        """
        left = self._await_taken()
        self._check_ends()
        if left:
            raise self._took_only(left)

    def kill(self) -> None:
        """End all commands with their descendants, from any thread. Never raises.

        The last one first, and before its input ends: it would call what it has a whole piece.
        """
        self._stopped = True
        for command in reversed(self._commands):
            end_group(*command.process)

    def stop(self) -> None:
        """Kill what has not ended by itself, and close all pipes. Never raises; may be repeated."""
        if any(command.wait_for(0) is None for command in self._commands):
            self.kill()
        self._hang_up()
        for tail in self._tails:
            tail.join()
        if self._commands:
            with suppress(OSError):
                self._commands[-1].stdout.close()

    def _start(self, part: Sequence[str], surroundings: Surroundings, stdin: int) -> int:
        """Start a command and return what the next one reads."""
        command = spawn(
            [find_program(part[0]), *part[1:]],
            stdin=stdin,
            environment=surroundings.environment,
            folder=surroundings.folder,
        )
        if self._commands:
            # It has its own: while we hold ours, an end of the reader would go unnoticed.
            self._commands[-1].stdout.close()
        self._commands.append(command)
        self._tails.append(_Tail(command.stderr))
        return command.stdout.fileno()

    def _await(self, pipe: IO[bytes], event: int) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        if self._stopped or not poll.poll(1000 * self._patience):
            raise self._stalled()

    def _await_taken(self) -> int:
        """Wait until the first command has taken all bytes; return how many it did not take."""
        if self._input is None:
            return 0
        poll, pipe = select.poll(), self._input.fileno()
        # Without an event only the end of the reader is reported.
        poll.register(pipe, 0)
        before, since = -1, time.monotonic()
        while left := _waiting_bytes(pipe):
            if left != before:
                before, since = left, time.monotonic()
            if poll.poll(TAKEN_MILLISECONDS):
                return _waiting_bytes(pipe)
            if self._stopped or time.monotonic() - since > self._patience:
                raise self._stalled()
        return 0

    def _took_only(self, left: int) -> RepositoryError:
        return RepositoryError(
            f"{self._what} failed: {self._names[0]} took only {self._moved - left} bytes "
            "of its input",
            hint="The command must read its standard input to the end.",
        )

    def _stalled(self) -> RepositoryError:
        if self._stopped:
            return RepositoryError(f"{self._what} was stopped after {self._moved} bytes")
        self.kill()
        return RepositoryError(
            f"{self._what} failed: no byte moved for {self._patience:g} s, after "
            f"{self._moved} bytes{self._said()}",
            hint="Look at the media manager: it may wait for a tape or an operator. "
            "stall_seconds of the medium says how long that may take.",
        )

    def _hang_up(self) -> None:
        if self._commands and self._commands[0].stdin is not None:
            with suppress(OSError):
                self._commands[0].stdin.close()
        self._input = None

    def ends(self) -> list[int]:
        """Wait for all commands and return their exit codes."""
        self._hang_up()
        deadline = time.monotonic() + self._patience
        codes: list[int] = []
        for command in self._commands:
            code = command.wait_for(max(0.0, deadline - time.monotonic()))
            if code is None or self._stopped:
                raise self._stalled()
            codes.append(code)
        for tail in self._tails:
            tail.join()
        return codes

    def failure(self, codes: Sequence[int]) -> RepositoryError:
        """Return what exit codes, not all of them 0, say."""
        bad = [index for index, code in enumerate(codes) if code]
        # One that lost its reader is not the one to blame.
        blamed = [index for index in bad if codes[index] not in _SIGPIPE_CODES] or bad
        ends = "; ".join(
            f"{self._names[index]} {_in_words(codes[index])}{_quoted(self._tails[index])}"
            for index in blamed
        )
        return RepositoryError(f"{self._what} failed: {ends}")

    def _check_ends(self) -> None:
        if any(codes := self.ends()):
            raise self.failure(codes)

    def _said(self) -> str:
        return "".join(_quoted(tail) for tail in self._tails)


class _Tail:
    """The end of what a command writes to a pipe, read in a thread so that it never blocks."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe, self._kept = pipe, b""
        self._thread = threading.Thread(target=self._read, name="tail", daemon=True)
        self._thread.start()

    def join(self) -> None:
        # A grandchild may hold the pipe open.
        self._thread.join(timeout=1)

    @property
    def text(self) -> str:
        text = " ".join(self._kept.decode("utf-8", "replace").split())
        shown = "".join(letter if letter.isprintable() else "?" for letter in text)
        return shown[-SHOWN_CHARACTERS:]

    def _read(self) -> None:
        with suppress(OSError, ValueError), self._pipe:
            while chunk := self._pipe.read(65536):
                self._kept = (self._kept + chunk)[-TAIL_BYTES:]


def _waiting_bytes(pipe: int) -> int:
    """Return how many bytes of a pipe nobody has read yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


_SIGPIPE_CODES = frozenset({-signal.SIGPIPE, 128 + signal.SIGPIPE})


def _in_words(code: int) -> str:
    return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _quoted(tail: _Tail) -> str:
    return f": {tail.text}" if tail.text else ""
