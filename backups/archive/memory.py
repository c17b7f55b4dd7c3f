"""Why does a process keep the memory of frames it is done with?

Megabytes that are freed and asked for again go back to the kernel in between, by default, and
come as fresh pages that it has to clear one by one. At the speed of an archive that costs
more than decompressing does. Kept memory is what was in flight at the worst moment, no more.
"""

from __future__ import annotations

import ctypes
import functools

# Names and numbers of glibc, see mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# The most glibc takes: everything a frame needs comes from memory that stays.
MMAP_BYTES = 32 * 1024 * 1024
KEPT_BYTES = 128 * 1024 * 1024


@functools.cache
def keep_freed_memory() -> None:
    """Tell the C library, once in a process. Another library than glibc is left as it is."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
