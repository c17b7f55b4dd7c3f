"""Pieces as backup files of a media manager."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from backups.exceptions import RepositoryError
from backups.repositories.sequential.sbt.session import HINT, SbtSession, SbtSettings


class SbtMedium:
    """Every operation has a process of its own."""

    can_remove = True

    def __init__(self, name: str, settings: SbtSettings) -> None:
        self._name, self._settings = name, settings
        self.block_bytes = settings.block_bytes

    def check(self) -> None:
        """Load the library and begin and end a session."""
        self._session("using").end()

    def store(self, piece: str) -> SbtSink:
        session = self._session("storing", piece)
        try:
            if session.ask(b"Q", name=piece):
                # The interface wants the library to refuse that; known ones write over it.
                raise RepositoryError(f"piece {piece} is on medium {self._name} already")
            session.ask(b"S", name=piece, block_bytes=self.block_bytes)
        except BaseException:
            session.stop()
            raise
        return SbtSink(session, self, piece)

    def fetch(self, piece: str, block_bytes: int) -> SbtFeed:
        session = self._session("fetching", piece)
        try:
            if not session.ask(b"Q", name=piece):
                raise RepositoryError(f"medium {self._name} does not have piece {piece}", hint=HINT)
            session.ask(b"R", name=piece, block_bytes=block_bytes)
        except BaseException:
            session.stop()
            raise
        return SbtFeed(session, block_bytes)

    def holds(self, piece: str) -> bool:
        session = self._session("looking for", piece)
        try:
            found = bool(session.ask(b"Q", name=piece))
            session.end()
            return found
        finally:
            session.stop()

    def names(self) -> Iterator[str] | None:
        """The interface has no list."""
        return None

    def remove(self, piece: str) -> bool:
        session = self._session("removing", piece)
        try:
            # Not all say in the same way that there is nothing to remove.
            if found := bool(session.ask(b"Q", name=piece)):
                session.ask(b"X", name=piece)
            session.end()
            return found
        finally:
            session.stop()

    def _session(self, what: str, piece: str = "") -> SbtSession:
        on = f"piece {piece} on " if piece else ""
        return SbtSession(self._settings, f"{what} {on}medium {self._name}")


class SbtSink:
    """A backup file being written."""

    def __init__(self, session: SbtSession, medium: SbtMedium, piece: str) -> None:
        self._session, self._medium, self._piece = session, medium, piece

    def write(self, block: bytes) -> None:
        self._session.write(block)

    def finish(self) -> None:
        self._session.ask(b"E")
        if not self._session.ask(b"Q", name=self._piece):
            raise RepositoryError(
                f"piece {self._piece} was stored, and the media manager does not know it", hint=HINT
            )
        self._session.end()

    def abort(self) -> None:
        """Have the library give it up; what it keeps all the same is removed by the store."""
        with suppress(RepositoryError):
            self._session.abandon()
            self._session.end()
        self._session.stop()

    def kill(self) -> None:
        self._session.kill()


class SbtFeed:
    """A backup file being read."""

    def __init__(self, session: SbtSession, block_bytes: int) -> None:
        self._session, self._block_bytes = session, block_bytes
        self._at_end = False

    def read(self) -> bytes:
        if self._at_end:
            return b""
        block = self._session.read(self._block_bytes)
        self._at_end = not block
        return block

    def finish(self) -> None:
        self._session.ask(b"E")
        self._session.end()

    def abort(self) -> None:
        self._session.stop()

    def kill(self) -> None:
        self._session.kill()
