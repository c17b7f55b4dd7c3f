"""How is a file below a folder opened when others may have planted links there?

Part by part, from the folder down, and no part may be a link: neither the name of the file nor a
folder on the way. What is opened is a regular file or nothing at all.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO must not hold us up, and a terminal must not become ours.
_GUARDS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_contained(folder: Path, name: str, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Return a descriptor of a regular file; OSError where it is a link or leads out."""
    with _parent_of(folder, name) as (parent, last):
        descriptor = os.open(last, flags | _GUARDS, mode, dir_fd=parent)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")


def read_contained(folder: Path, name: str, *, most_bytes: int) -> bytes:
    """Return the content of a file; OSError where there is more than that."""
    with open(open_contained(folder, name), "rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes} bytes", str(folder / name))
    return content


def create_contained(folder: Path, name: str, content: bytes, *, mode: int = 0o600) -> None:
    """Make a new file; FileExistsError where anything has that name, a link too."""
    descriptor = open_contained(folder, name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:
        file.write(content)


def remove_contained(folder: Path, name: str) -> None:
    """Remove a file, or a link instead of it; one that is not there is removed already."""
    with suppress(FileNotFoundError), _parent_of(folder, name) as (parent, last):
        os.unlink(last, dir_fd=parent)


@contextmanager
def _parent_of(folder: Path, name: str) -> Iterator[tuple[int, str]]:
    """Open the folder that a file is in; errors name the file."""
    *folders, last = name.split("/")
    current = -1
    try:
        if any(part in {"", ".", ".."} for part in (*folders, last)):
            raise OSError(errno.EINVAL, "the path leads out of its folder")
        current = os.open(folder, FOLDER)
        for part in folders:
            # One at a time: a path of several parts would follow a link among them.
            below = os.open(part, FOLDER, dir_fd=current)
            os.close(current)
            current = below
        yield current, last
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(folder / name)) from None
    finally:
        if current >= 0:
            os.close(current)
