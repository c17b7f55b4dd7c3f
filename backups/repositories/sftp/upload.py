"""How does an object get into a folder of another host, whole or not at all?

Its bytes go into a file with a temporary name, many pieces at a time: what is on its way is in the
session's pipe and never in a queue of ours. The server's disk has them before the file gets its
name, where the server offers to say so.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from types import TracebackType

from backups.exceptions import RepositoryError
from backups.repositories.directory import FILE_MODE, TEMPORARY_SUFFIX
from backups.repositories.sftp import errors
from backups.repositories.sftp.connection import Response, SessionOver
from backups.repositories.sftp.errors import SftpStatus
from backups.repositories.sftp.line import Dialer
from backups.repositories.sftp.packets import CREATE, EXCLUSIVE, FOR_WRITING, Code, Kind
from backups.repositories.sftp.place import SftpPlace
from backups.repositories.sftp.pool import hold, session
from backups.repositories.sftp.requests import POSIX_RENAME, WINDOW_BYTES, is_file

logger = logging.getLogger(__name__)

# A disk with less is full: a server calls that a failure like any other.
FULL_BYTES = 1 << 20

Naming = Callable[[str, str], AbstractContextManager[None]]


class SftpUpload:
    """A file being written beside its final name."""

    def __init__(
        self,
        place: SftpPlace,
        dialer: Dialer,
        name: str,
        naming: Naming,
        *,
        replace: bool = False,
    ) -> None:
        self._place, self._dialer, self._name, self._naming = place, dialer, name, naming
        self._replace = replace
        self._path = place.path(name)
        self._temporary = self._path + TEMPORARY_SUFFIX
        self._committed = False
        self._written_bytes = self._waiting_bytes = 0
        self._waiting: deque[tuple[int, Future[Response]]] = deque()
        self._requests = hold(dialer)
        try:
            with self._full_or("created"):
                self._handle: bytes | None = self._open()
        except BaseException:
            self._requests.session.release()
            raise

    def write(self, chunk: bytes) -> None:
        assert self._handle is not None
        view = memoryview(chunk)
        with self._full_or("written"):
            while view:
                piece, view = view[: self._requests.piece_bytes], view[self._requests.piece_bytes :]
                while self._waiting_bytes + len(piece) > WINDOW_BYTES:
                    self._await_oldest()
                future = self._requests.write(self._handle, self._written_bytes, piece)
                self._waiting.append((len(piece), future))
                self._waiting_bytes += len(piece)
                self._written_bytes += len(piece)

    def written_at(self) -> datetime:
        """Return when the file was written, by the clock of the server."""
        assert self._handle is not None
        with self._full_or("written"):
            while self._waiting:
                self._await_oldest()
            modified = self._requests.modified(self._handle)
        if modified is None:
            raise RepositoryError(f"{self._place.address}: the server gives its files no time")
        return datetime.fromtimestamp(modified, UTC)

    def commit(self) -> None:
        assert self._handle is not None
        with self._full_or("committed"):
            while self._waiting:
                self._await_oldest()
            self._requests.sync(self._handle)
            handle, self._handle = self._handle, None
            self._requests.close(handle)
            self._refuse_other_size()
            self._rename()
        self._committed = True

    def _open(self) -> bytes:
        """Create the temporary file; one that is there is of an attempt that was killed."""
        flags = FOR_WRITING | CREATE | EXCLUSIVE
        try:
            return self._requests.open(self._temporary, flags, FILE_MODE)
        except SftpStatus:
            if self._requests.look([self._temporary]) == [None]:
                raise
            # Also a link, whose target is not touched.
            self._requests.remove_all([self._temporary])
            return self._requests.open(self._temporary, flags, FILE_MODE)

    def _await_oldest(self) -> None:
        length, future = self._waiting.popleft()
        self._waiting_bytes -= length
        self._requests.done(future)

    def _refuse_other_size(self) -> None:
        found = self._requests.look([self._temporary])[0]
        size = None if found is None else found.size
        if size is not None and size != self._written_bytes:
            raise RepositoryError(
                f"{self._path_shown()} has {size} bytes on the server, "
                f"{self._written_bytes} were sent",
                hint="Look into the log of the server; the object is not used.",
            )

    def _rename(self) -> None:
        if self._replace:
            if not self._requests.offers(POSIX_RENAME):
                raise RepositoryError(
                    f"{self._path_shown()} could not be replaced: the server does "
                    "not offer posix-rename@openssh.com",
                    hint="Use a server that does, such as OpenSSH.",
                )
            self._requests.rename_over(self._temporary, self._path)
            return
        # Servers are to refuse it by themselves; some replace the file.
        if self._requests.look([self._path]) != [None]:
            raise self._exists()
        try:
            self._requests.rename(self._temporary, self._path)
        except SftpStatus:
            if self._requests.look([self._path]) != [None]:
                raise self._exists() from None
            raise
        except SessionOver as exc:
            self._rename_after(exc)

    def _rename_after(self, error: SessionOver) -> None:
        """Finish a rename whose response was lost: the disk has all bytes already."""
        with session(self._dialer) as requests:
            temporary, final = requests.look([self._temporary, self._path])
            if temporary is not None and final is None:
                requests.rename(self._temporary, self._path)
            elif (
                temporary is not None
                or final is None
                or not is_file(final)
                or final.size != self._written_bytes
            ):
                raise error

    def _exists(self) -> RepositoryError:
        return RepositoryError(
            f"{self._path_shown()} could not be committed: it exists",
            hint="Find out who put it there; nothing was overwritten.",
        )

    @contextmanager
    def _full_or(self, what: str) -> Iterator[None]:
        """Name the object, and a full disk, which to a server is a failure like any other."""
        with self._naming(self._name, what):
            try:
                yield
            except SftpStatus as exc:
                if exc.code == Code.FAILURE and self._is_disk_full():
                    raise errors.no_space(self._path_shown(), what) from None
                raise

    def _path_shown(self) -> str:
        return f"{self._place.address}/{self._name}"

    def _is_disk_full(self) -> bool:
        space = self._requests.space(self._place.folder)
        return space is not None and space.free_bytes < FULL_BYTES

    def __enter__(self) -> SftpUpload:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if not self._committed:
                self._drop()
        finally:
            self._requests.session.release()

    def _drop(self) -> None:
        """Remove what was written. If that fails, it goes with the folder of the object."""
        handle, self._handle = self._handle, None
        self._waiting.clear()
        try:
            with self._naming(self._name, "dropped"), session(self._dialer) as requests:
                if handle is not None and not self._requests.session.is_over:
                    self._requests.forget(handle)
                requests.remove_all([self._temporary], Kind.REMOVE)
        except RepositoryError as exc:
            logger.warning("%s; it is removed later", exc, extra={"action": "upload_not_dropped"})
