"""How does a job talk to the process of a media manager's library, whatever that does?"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backups.exceptions import RepositoryError
from backups.repositories.sequential.blocks import DEFAULT_BLOCK, MOST_BLOCK
from backups.repositories.sequential.pipeline import Pipeline, Surroundings

PROGRAM = Path(__file__).with_name("program.py")
MESSAGE = struct.Struct("<cI")
# Blocks that are on their way before the first of their confirmations is waited for.
MOST_UNCONFIRMED = 4
MOST_TEXT = 64 * 1024
HINT = "Look at the log of the media manager."


@dataclass(frozen=True, slots=True)
class SbtSettings:
    """Which library, and with which parameters it is used."""

    library: str
    database: str = "MySQL"
    # Sent before each operation, as RMAN's SEND does.
    commands: tuple[str, ...] = ()
    block_bytes: int = DEFAULT_BLOCK
    surroundings: Surroundings = field(default_factory=Surroundings)


class LibraryFailed(RepositoryError):
    """A function of the library returned an error: its process goes on."""


class SbtSession:
    """One process with the library loaded, for one operation."""

    def __init__(self, settings: SbtSettings, what: str) -> None:
        self._what, self._unconfirmed = what, 0
        # -I: of the worker's folders and variables for Python it gets none.
        argv = [sys.executable, "-I", str(PROGRAM)]
        self._pipeline = Pipeline(
            [argv], settings.surroundings, what=what, takes_input=True, gives_output=True
        )
        try:
            self.about = self.ask(
                b"I",
                library=settings.library,
                database=settings.database,
                commands=settings.commands,
            )
        except BaseException:
            self.stop()
            raise

    def ask(self, letter: bytes, **fields: object) -> Any:
        """Send a request and return the answer. Any: what JSON holds."""
        self._send(letter, json.dumps(fields).encode())
        self._confirm_all()
        return self._answer()

    def write(self, block: bytes) -> None:
        """Send a block; the confirmation of an earlier one is waited for."""
        self._send(b"B", block)
        self._unconfirmed += 1
        if self._unconfirmed > MOST_UNCONFIRMED:
            self._unconfirmed -= 1
            self._answer()

    def read(self, block_bytes: int) -> bytes:
        """Return the next block; empty after the last."""
        self._send(b"N", b"")
        letter, payload = self._receive(block_bytes)
        if letter == b"Z":
            return b""
        if letter != b"D" or len(payload) != block_bytes:
            raise self._nonsense()
        return payload

    def abandon(self) -> None:
        """Have the library give up what is being written, whatever failed before."""
        self._send(b"A", b"{}")
        for _ in range(self._unconfirmed + 1):
            with suppress(LibraryFailed):
                self._answer()
        self._unconfirmed = 0

    def end(self) -> None:
        """End the session of the library, and the process."""
        self.ask(b"T")
        self._pipeline.finish()
        self.stop()

    def kill(self) -> None:
        self._pipeline.kill()

    def stop(self) -> None:
        self._pipeline.stop()

    def _confirm_all(self) -> None:
        while self._unconfirmed:
            self._unconfirmed -= 1
            self._answer()

    def _answer(self) -> Any:
        letter, payload = self._receive(MOST_TEXT)
        if letter != b"K":
            raise self._nonsense()
        return self._parsed(payload) if payload else None

    def _send(self, letter: bytes, payload: bytes) -> None:
        self._pipeline.write(MESSAGE.pack(letter, len(payload)) + payload)

    def _receive(self, most: int) -> tuple[bytes, bytes]:
        """Return a reply that is no error; its length is checked before it is read."""
        letter, length = MESSAGE.unpack(self._read_all(MESSAGE.size))
        if length > (MOST_TEXT if letter == b"F" else min(most, MOST_BLOCK)):
            raise self._nonsense()
        payload = self._read_all(length)
        if letter == b"F":
            raise self._failure(self._parsed(payload))
        return letter, payload

    def _read_all(self, length: int) -> bytes:
        content = b""
        while len(content) < length:
            chunk = self._pipeline.read(length - len(content))
            if not chunk:
                raise self._ended()
            content += chunk
        return content

    def _ended(self) -> RepositoryError:
        codes = self._pipeline.ends()
        if any(codes):
            return self._pipeline.failure(codes)
        return RepositoryError(
            f"{self._what} failed: the library ended its process with exit code 0", hint=HINT
        )

    def _failure(self, fields: Mapping[str, Any]) -> LibraryFailed:
        call, code, text = fields["call"], fields["code"], fields["text"]
        shown = "".join(letter if letter.isprintable() else "?" for letter in text)
        number = f" with error {code}" if code else ""
        return LibraryFailed(f"{self._what} failed: {call}{number}: {shown}", hint=HINT)

    # Any: what JSON holds.
    def _parsed(self, payload: bytes) -> Any:
        """Return what a reply says: a library may have written over the memory of its process."""
        try:
            return json.loads(payload)
        except (ValueError, RecursionError):
            raise self._nonsense() from None

    def _nonsense(self) -> RepositoryError:
        return RepositoryError(f"{self._what} failed: the process of the library replies nonsense")
