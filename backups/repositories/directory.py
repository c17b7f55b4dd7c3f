"""A repository in a folder: a local disk, or a network filesystem that honours rename."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import ClassVar

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity
from backups.repositories.identity import (
    IDENTITY_BYTES,
    identity_line,
    no_repository,
    parse_identity,
)
from backups.repositories.layout import (
    IDENTITY_NAME,
    MANIFEST_NAME,
    TRIAL_NAME,
    is_safe_path,
)

logger = logging.getLogger(__name__)

# Unfinished objects: never listed, removed with the folder they are in.
TEMPORARY_SUFFIX = ".part"
# Errors of a network mount whose server is unreachable for a moment, or was restarted.
TRANSIENT = frozenset(
    {errno.EAGAIN, errno.EINTR, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTUNREACH}
)
# Of ESTALE, which trying again ends only where the server was restarted.
REMOUNT_HINT = (
    "Its server no longer knows what this host has mounted: unmount it and mount it again, after a "
    "look at the exports of the server."
)
# How many bytes are written before the kernel is asked to flush them.
FLOW_BYTES = 8 * 1024 * 1024
# Other users of the host must not read backups, least of all unencrypted ones.
FILE_MODE, FOLDER_MODE = 0o640, 0o750


class DirectoryStore:
    """Objects are files; an unfinished one has a temporary name until it is synced."""

    kind: ClassVar[str] = "directory"

    def __init__(self, root: Path, uuid: str = "") -> None:
        """With ``uuid``, nothing is written if the path holds another repository."""
        self.root = root
        self._uuid = uuid

    def identity(self) -> Identity:
        try:
            content = self._read_identity()
        except FileNotFoundError:
            raise no_repository(str(self.root), "Check that its disk is mounted") from None
        except OSError as exc:
            raise RepositoryError(
                f"{self.root / IDENTITY_NAME} cannot be read: {exc}",
                hint=REMOUNT_HINT if exc.errno == errno.ESTALE else "",
                transient=exc.errno in TRANSIENT,
            ) from None
        return parse_identity(content, str(self.root))

    def initialise(self, identity: Identity) -> None:
        with self._naming(self.root, "made a repository"):
            self.root.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            # A new filesystem contains only this.
            if {entry.name for entry in self.root.iterdir()} - {"lost+found"}:
                raise RepositoryError(
                    f"{self.root} is neither empty nor a repository",
                    hint="Give an empty or new folder; nothing in it was changed.",
                )
            with self.create(IDENTITY_NAME) as upload:
                upload.write(identity_line(identity))
                upload.commit()

    def create(self, name: str) -> DirectoryUpload:
        path = self._path(name)
        if name != IDENTITY_NAME:
            self._refuse_another()
        with self._naming(path, "created"):
            self._make_folders(path.parent)
            return DirectoryUpload(path)

    def try_writing(self) -> None:
        with self.create(TRIAL_NAME) as upload:
            upload.write(b"?")

    def replace(self, name: str, content: bytes) -> None:
        path = self._path(name)
        self._refuse_another()
        with self._naming(path, "replaced"), DirectoryUpload(path, replace=True) as upload:
            upload.write(content)
            upload.commit()

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        path = self._path(name)
        with self._naming(path, "read"), self._open(name) as file:
            there = max(0, os.fstat(file.fileno()).st_size - offset)
            wanted = there if length is None else length
            if offset < 0 or not 0 <= wanted <= there:
                # Checked before memory is allocated: a damaged index can request any length.
                raise RepositoryError(
                    f"{path} ends early: {there} of {wanted} bytes at offset {offset}"
                )
            content = os.pread(file.fileno(), wanted, offset)
            while len(content) < wanted:
                more = os.pread(file.fileno(), wanted - len(content), offset + len(content))
                if not more:
                    raise RepositoryError(f"{path} became shorter while it was read")
                content += more
        return content

    def size(self, name: str) -> int:
        path = self._path(name)
        with self._naming(path, "read"):
            return path.stat().st_size

    def exists(self, name: str) -> bool:
        path = self._path(name)
        with self._naming(path, "read"):
            found = path.exists()
            if not found and name != IDENTITY_NAME:
                self._refuse_missing()
        return found

    def holds(self, prefix: str) -> bool:
        return self.exists(prefix)

    def list(self, prefix: str) -> Iterator[str]:
        top = self._path(prefix.rstrip("/"))
        with self._naming(top, "listed"):
            if not top.exists():
                self._refuse_missing()
                return
            names = sorted(
                (Path(folder) / file).relative_to(self.root).as_posix()
                for folder, _, files in os.walk(top, onerror=_raise)
                for file in files
                if not file.endswith(TEMPORARY_SUFFIX)
            )
        yield from names

    def remove(self, name: str) -> int:
        path = self._path(name)
        self._refuse_another()
        with self._naming(path, "deleted"):
            if not path.exists():
                self._refuse_missing()
                return 0
            freed = path.stat().st_size
            path.unlink()
            _sync_folder(path.parent)
        return freed

    def remove_tree(self, prefix: str) -> int:
        top = self._path(prefix.rstrip("/"))
        self._refuse_another()
        with self._naming(top, "deleted"):
            if not top.exists():
                self._refuse_missing()
                return 0
            freed = sum(
                (Path(folder) / file).stat().st_size
                for folder, _, files in os.walk(top)
                for file in files
            )
            _forget_manifests(top)
            shutil.rmtree(top)
            _sync_folder(top.parent)
        return freed

    def free_bytes(self) -> int | None:
        with self._naming(self.root, "measured"):
            return shutil.disk_usage(self.root).free

    def total_bytes(self) -> int | None:
        with self._naming(self.root, "measured"):
            return shutil.disk_usage(self.root).total

    def clock(self) -> datetime:
        with self.create("clock") as upload:
            upload.write(b"?")
            return upload.written_at()

    def _refuse_another(self) -> None:
        """Refuse a path that holds another repository: a disk may be unmounted at any time."""
        if self._uuid and (uuid := self.identity().uuid) != self._uuid:
            raise RepositoryError(
                f"{self.root} holds another repository, {uuid}",
                hint="Check which disk is mounted there.",
            )

    def _refuse_missing(self) -> None:
        """Have a missing object be one only where the repository is there: a disk may be gone."""
        if self._uuid:
            self._refuse_another()
        else:
            self.root.stat()

    def _read_identity(self) -> bytes:
        with self._open(IDENTITY_NAME) as file:
            return file.read(IDENTITY_BYTES) or b""

    def _open(self, name: str) -> FileIO:
        """Open an object for reading; it is a regular file, and no part of its name is a link.

        Whoever can write to the repository could otherwise have any file of this host read, or
        have this process wait for the other end of a named pipe.
        """
        *folders, last = PurePosixPath(name).parts
        at = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for folder in folders:
                inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
                os.close(at)
                at = inner
            opened = os.open(last, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=at)
        finally:
            os.close(at)
        file = FileIO(opened, "rb")
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            file.close()
            raise RepositoryError(
                f"{self.root / name} is not a regular file",
                hint="Find out who put it there; Mooring writes regular files only.",
            )
        return file

    def _path(self, name: str) -> Path:
        if not is_safe_path(name):
            raise RepositoryError(f"object name {name!r} leads out of the repository")
        return self.root / name

    def _make_folders(self, folder: Path) -> None:
        """Create missing folders durably: a synced file in a lost folder is lost."""
        if folder == self.root or folder.is_dir():
            return
        self._make_folders(folder.parent)
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        _sync_folder(folder.parent)

    @contextmanager
    def _naming(self, path: Path, what: str) -> Iterator[None]:
        """Turn an OSError into a RepositoryError with file, operation and cause."""
        try:
            yield
        except OSError as exc:
            raise _repository_error(path, what, exc) from None


class DirectoryUpload:
    """A file being written beside its final name."""

    def __init__(self, path: Path, *, replace: bool = False) -> None:
        self._path = path
        self._replace = replace
        self._temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
        self._committed = False
        self._written_bytes = self._flowing_bytes = 0
        descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        self._file = open(descriptor, "wb", buffering=0)  # noqa: SIM115 (closed by __exit__)

    def write(self, chunk: bytes) -> None:
        try:
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]
            self._written_bytes += len(chunk)
            self._let_flow()
        except OSError as exc:
            raise _repository_error(self._path, "written", exc) from None

    def _let_flow(self) -> None:
        """Let the kernel start to write what has arrived, without waiting for it.

        A commit would otherwise flush a whole pack at once, and other processes that sync to
        the disk, such as the instance itself, would wait for it.
        """
        length = self._written_bytes - self._flowing_bytes
        if length >= FLOW_BYTES:
            fileno = self._file.fileno()
            # Only advice: the bytes are stored without it too.
            with suppress(OSError):
                os.posix_fadvise(fileno, self._flowing_bytes, length, os.POSIX_FADV_DONTNEED)
            self._flowing_bytes = self._written_bytes

    def written_at(self) -> datetime:
        """Return when the file was written, by the clock of the file system, and close it.

        The server of a network file system has its own clock, seen once the bytes are there.
        """
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            return datetime.fromtimestamp(self._temporary.stat().st_mtime, UTC)
        except OSError as exc:
            raise _repository_error(self._path, "written", exc) from None

    def commit(self) -> None:
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            if not self._replace and self._path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            self._temporary.rename(self._path)
            _sync_folder(self._path.parent)
        except OSError as exc:
            raise _repository_error(self._path, "committed", exc) from None
        self._committed = True

    def __enter__(self) -> DirectoryUpload:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
            if not self._committed:
                self._temporary.unlink(missing_ok=True)
        except OSError as exc:
            # It goes with the folder of the object.
            logger.warning(
                "%s; it is removed later",
                _repository_error(self._path, "dropped", exc),
                extra={"action": "upload_not_dropped"},
            )


def _repository_error(path: Path, what: str, exc: OSError) -> RepositoryError:
    hint = "Check that disk and the kernel log of its host."
    if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        hint = "Free space in the repository or purge backups; nothing incomplete was kept."
    elif exc.errno == errno.ESTALE:
        hint = REMOUNT_HINT
    elif exc.errno == errno.ELOOP:
        hint = "It is a link; objects of a repository are regular files only."
    elif exc.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
        hint = "Give the workers' user write access there."
    return RepositoryError(
        f"{path} could not be {what}: {exc.strerror}", hint=hint, transient=exc.errno in TRANSIENT
    )


def _forget_manifests(top: Path) -> None:
    """Delete manifests first and durably: an interrupted removal leaves no apparent backup."""
    for manifest in list(top.rglob(MANIFEST_NAME)):
        manifest.unlink(missing_ok=True)
        _sync_folder(manifest.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise(error: OSError) -> None:
    raise error
