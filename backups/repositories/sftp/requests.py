"""The requests that a repository makes of an SFTP server, one function each.

SftpStatus is raised for what the server refuses, RepositoryError where the session ends.
"""

from __future__ import annotations

import stat
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from backups.exceptions import RepositoryError
from backups.repositories.sftp import packets
from backups.repositories.sftp.connection import NOT_SFTP_HINT, Response, SftpConnection
from backups.repositories.sftp.errors import SftpStatus, status_of
from backups.repositories.sftp.packets import (
    LARGEST_PIECE,
    SMALLEST_PIECE,
    Attributes,
    Code,
    Kind,
)

# How much of an upload, or of what is read, may be on its way.
WINDOW_BYTES = 8 << 20
# In one folder; a repository has a folder for each backup.
MOST_IN_FOLDER = 1_000_000
# A sync ends when the server's disk has everything; meanwhile it does nothing else.
SYNC_SECONDS = 300.0
LIMITS, FSYNC, STATVFS = b"limits@openssh.com", b"fsync@openssh.com", b"statvfs@openssh.com"
POSIX_RENAME = b"posix-rename@openssh.com"


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a folder."""

    name: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class DiskSpace:
    free_bytes: int
    total_bytes: int


class SftpRequests:
    """The requests over one session."""

    def __init__(self, session: SftpConnection) -> None:
        self.session = session
        self.piece_bytes = self._limit() if LIMITS in session.extensions else SMALLEST_PIECE

    def offers(self, extension: bytes) -> bool:
        return extension in self.session.extensions

    def look(self, paths: Sequence[str]) -> list[Attributes | None]:
        """Return what each path is, links not followed; None where there is nothing."""
        asked = [self.session.send(Kind.LSTAT, packets.text(path)) for path in paths]
        return [self._attributes(future) for future in asked]

    def open(self, path: str, flags: int, mode: int | None = None) -> bytes:
        attributes = packets.NO_ATTRIBUTES if mode is None else packets.mode(mode)
        return self._handle(
            self.session.send(Kind.OPEN, packets.text(path), packets.number(flags), attributes)
        )

    def close(self, handle: bytes) -> None:
        self._done(self.session.send(Kind.CLOSE, packets.text(handle)))

    def forget(self, handle: bytes) -> None:
        """Close a handle whose file has been dealt with: nobody waits for the response."""
        self.session.send(Kind.CLOSE, packets.text(handle))

    def write(self, handle: bytes, offset: int, content: memoryview) -> Future[Response]:
        return self.session.send(
            Kind.WRITE, packets.text(handle), packets.long(offset), packets.text(bytes(content))
        )

    def done(self, future: Future[Response]) -> None:
        """Wait for a request that was sent."""
        self._done(future)

    def read(self, handle: bytes, offset: int, length: int) -> bytes:
        """Read a range, several pieces at a time; it may end early."""
        content, end = bytearray(), offset + length
        sent: deque[tuple[int, int, Future[Response]]] = deque()
        at = offset
        while at < end or sent:
            while at < end and (not sent or at - sent[0][0] < WINDOW_BYTES):
                count = min(self.piece_bytes, end - at)
                sent.append((at, count, self._ask(handle, at, count)))
                at += count
            start, count, future = sent.popleft()
            piece = self._data(future, count)
            content += piece
            # A server may send fewer bytes than requested.
            while piece and (left := start + count - offset - len(content)) > 0:
                piece = self._data(self._ask(handle, start + count - left, left), left)
                content += piece
            if not piece:
                # The file ended; what was asked beyond is not awaited.
                break
        return bytes(content)

    def sync(self, handle: bytes) -> None:
        """Have the server's disk keep a file; nothing where the server does not offer it."""
        if self.offers(FSYNC):
            self._done(
                self.session.send(
                    Kind.EXTENDED,
                    packets.text(FSYNC),
                    packets.text(handle),
                    patience=SYNC_SECONDS,
                )
            )

    def modified(self, handle: bytes) -> int | None:
        _, fields = self._expect(self.session.send(Kind.FSTAT, packets.text(handle)), {Kind.ATTRS})
        return fields.attributes().modified

    def make_folder(self, path: str, mode: int) -> None:
        self._done(self.session.send(Kind.MKDIR, packets.text(path), packets.mode(mode)))

    def rename(self, old: str, new: str) -> None:
        """Rename a file; by this version of the protocol a failure if ``new`` exists."""
        self._done(self.session.send(Kind.RENAME, packets.text(old), packets.text(new)))

    def rename_over(self, old: str, new: str) -> None:
        """Rename a file over another in one step."""
        self._done(
            self.session.send(
                Kind.EXTENDED, packets.text(POSIX_RENAME), packets.text(old), packets.text(new)
            )
        )

    def remove_all(self, paths: Sequence[str], kind: Kind = Kind.REMOVE) -> None:
        """Remove files or empty folders, many at a time; those that are gone are no error."""
        window: deque[Future[Response]] = deque()
        for path in paths:
            window.append(self.session.send(kind, packets.text(path)))
            if len(window) > 100:
                self._gone(window.popleft())
        for future in window:
            self._gone(future)

    def entries(self, path: str) -> Iterator[Entry]:
        """Yield what is in a folder, as the server lists it."""
        handle, listed = self._handle(self.session.send(Kind.OPENDIR, packets.text(path))), 0
        try:
            while True:
                request = self.session.send(Kind.READDIR, packets.text(handle))
                try:
                    _, fields = self._expect(request, {Kind.NAME})
                except SftpStatus as exc:
                    if exc.code == Code.EOF:
                        return
                    raise
                count = fields.number()
                listed += count
                if not count or listed > MOST_IN_FOLDER:
                    raise RepositoryError(
                        f"the server lists no end of names in {path}",
                        hint="Find out what fills the folder, and delete it.",
                    )
                for _ in range(count):
                    name = fields.text().decode("utf-8", "surrogateescape")
                    fields.text()
                    yield Entry(name, fields.attributes())
        finally:
            self.forget(handle)

    def space(self, path: str) -> DiskSpace | None:
        """Return free and total space; None where the server does not offer it."""
        if not self.offers(STATVFS):
            return None
        request = self.session.send(Kind.EXTENDED, packets.text(STATVFS), packets.text(path))
        _, fields = self._expect(request, {Kind.EXTENDED_REPLY})
        _, unit, blocks, _, available = (fields.long() for _ in range(5))
        return DiskSpace(unit * available, unit * blocks)

    def _limit(self) -> int:
        """Return how much one read or write may carry."""
        try:
            request = self.session.send(Kind.EXTENDED, packets.text(LIMITS))
            _, fields = self._expect(request, {Kind.EXTENDED_REPLY})
        except SftpStatus:
            return SMALLEST_PIECE
        _, reading, writing = (fields.long() or LARGEST_PIECE for _ in range(3))
        return max(min(reading, writing, LARGEST_PIECE), SMALLEST_PIECE)

    def _ask(self, handle: bytes, offset: int, length: int) -> Future[Response]:
        return self.session.send(
            Kind.READ, packets.text(handle), packets.long(offset), packets.number(length)
        )

    def _data(self, future: Future[Response], most: int) -> bytes:
        """Return what was read; nothing at the end of the file."""
        try:
            _, fields = self._expect(future, {Kind.DATA})
        except SftpStatus as exc:
            if exc.code == Code.EOF:
                return b""
            raise
        piece = fields.text()
        if not 0 < len(piece) <= most:
            raise self._odd(f"{len(piece)} bytes where up to {most} were requested")
        return piece

    def _attributes(self, future: Future[Response]) -> Attributes | None:
        try:
            _, fields = self._expect(future, {Kind.ATTRS})
        except SftpStatus as exc:
            if exc.code == Code.NO_SUCH_FILE:
                return None
            raise
        return fields.attributes()

    def _handle(self, future: Future[Response]) -> bytes:
        return self._expect(future, {Kind.HANDLE})[1].text()

    def _done(self, future: Future[Response]) -> None:
        self._expect(future, {Kind.STATUS})

    def _gone(self, future: Future[Response]) -> None:
        try:
            self._done(future)
        except SftpStatus as exc:
            if exc.code != Code.NO_SUCH_FILE:
                raise

    def _expect(self, future: Future[Response], kinds: set[Kind]) -> Response:
        """Return a response of one of these kinds; SftpStatus if it is a refusal."""
        kind, fields = future.result()
        if kind == Kind.STATUS and (status := status_of(fields)) is not None:
            raise status
        if kind not in kinds:
            raise self._odd(f"a packet of type {kind}")
        return kind, fields

    def _odd(self, what: str) -> RepositoryError:
        return RepositoryError(f"the SFTP server answered {what}", hint=NOT_SFTP_HINT)


def is_folder(attributes: Attributes) -> bool:
    return attributes.mode is not None and stat.S_ISDIR(attributes.mode)


def is_file(attributes: Attributes) -> bool:
    return attributes.mode is not None and stat.S_ISREG(attributes.mode)
