"""What does a small file contain that an operator has named? Nothing if it is something else."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


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
