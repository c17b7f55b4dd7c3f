"""How is an exported file written: beside its name, and under it when it was read back?"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from backups.exceptions import RepositoryError
from backups.repositories.directory import REMOUNT_HINT
from backups.repositories.exported.members import END, member_header, padding

# Other users of the host must not read it: an unencrypted backup is in it as it is.
FILE_MODE = 0o600
# Of a file system without hard links, as on many a removable disk.
NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


def unfinished_path(target: Path, job_id: int) -> Path:
    """Return the name that the file of a job has until it is whole."""
    return target.with_name(f"{target.name}.{job_id}.part")


def remove_unfinished(target: Path, job_id: int) -> bool:
    """Remove what a job has left of a file; False if there is nothing."""
    try:
        unfinished_path(target, job_id).unlink()
    except FileNotFoundError:
        return False
    return True


def publish(target: Path, job_id: int) -> None:
    """Give the finished file of a job its name, which must be free."""
    unfinished = unfinished_path(target, job_id)
    try:
        try:
            # Unlike a rename it never replaces a file.
            os.link(unfinished, target)
            unfinished.unlink()
        except OSError as exc:
            if exc.errno not in NO_LINKS:
                raise
            if target.exists() or target.is_symlink():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            unfinished.rename(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        raise _error(target, exc) from None


class ExportWriter:
    """A file being written. Leaving the context before the end leaves nothing behind."""

    def __init__(self, target: Path, job_id: int) -> None:
        self._target, self._unfinished = target, unfinished_path(target, job_id)
        self._finished = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            self._file = open(os.open(self._unfinished, flags, FILE_MODE), "wb")  # noqa: SIM115
        except OSError as exc:
            raise _error(self._target, exc) from None

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """Append an object of ``size`` bytes; RepositoryError if it has another size."""
        written = 0
        header = member_header(name, size)
        try:
            self._file.write(header)
            for chunk in chunks:
                written += len(chunk)
                self._file.write(chunk)
            self._file.write(padding(size))
        except OSError as exc:
            raise _error(self._target, exc) from None
        if written != size:
            raise RepositoryError(f"{name} has {written} bytes instead of {size}")

    def finish(self) -> None:
        """Write the end and make the file durable; ``publish`` gives it its name."""
        try:
            self._file.write(END)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as exc:
            raise _error(self._target, exc) from None
        self._finished = True

    def __enter__(self) -> ExportWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._file.close()
        if not self._finished:
            self._unfinished.unlink(missing_ok=True)


def _error(target: Path, exc: OSError) -> RepositoryError:
    hint = "Name a new file on a disk with enough room; nothing incomplete was kept."
    return RepositoryError(
        f"{target} could not be written: {exc.strerror}",
        hint=REMOUNT_HINT if exc.errno == errno.ESTALE else hint,
    )
