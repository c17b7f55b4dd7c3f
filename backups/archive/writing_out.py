"""Why are extracted bytes passed on to the disk at once?

A process that only fills the page cache is held back by the kernel as soon as too much there is
unwritten, by whomever: on a disk that others write to as well, for most of its time.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

# See sync_file_range(2).
SYNC_FILE_RANGE_WRITE = 2
# Less is left to the kernel, which makes larger writes of it.
WORTH_BYTES = 1024**2


def start_writing_out(descriptor: int, offset: int, length: int) -> bool:
    """Have the disk begin to write what is in the page cache; return whether it does.

    Only advice: what is not written now is written later, and errors are seen then too.
    """
    if length < WORTH_BYTES:
        return False
    return _sync_file_range()(descriptor, offset, length, SYNC_FILE_RANGE_WRITE) == 0


@functools.cache
def _sync_file_range() -> Callable[[int, int, int, int], int]:
    """Return the function of the C library; one that does nothing where it has none."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "sync_file_range"):
        return lambda descriptor, offset, length, flags: -1
    found: Callable[[int, int, int, int], int] = library.sync_file_range
    library.sync_file_range.argtypes = (
        ctypes.c_int,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_uint,
    )
    return found
