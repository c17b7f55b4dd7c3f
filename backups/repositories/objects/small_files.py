"""What does a small file contain that an operator has named? Nothing if it is something else."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from backups.exceptions import RepositoryError


def read_small(path: Path, most: int) -> tuple[bytes, int]:
    """Return the content and the mode bits of a regular file of at most ``most`` bytes.

    OSError: it cannot be read, is a pipe or a device, or is larger.
    """
    # A pipe that nobody writes to must not be waited for.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most >> 10} KiB")
    return content, stat.S_IMODE(mode)


def read_private(path: Path, most: int) -> str:
    """Return the text of a file of credentials that only its owner can read."""
    try:
        content, mode = read_small(path, most)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or "it is not UTF-8 text"
        raise RepositoryError(
            f"credentials file {path} cannot be read: {reason}",
            hint="Give the workers' user, and only that user, read access.",
        ) from None
    if mode & 0o077:
        raise RepositoryError(
            f"credentials file {path} has mode {mode:04o}: others can read it",
            hint=f"Run: chmod 600 {path}",
        )
    return text
