"""Why does a process keep the memory of frames it has finished?

By default, freed megabytes are returned to the kernel and come back as fresh pages that it clears
one by one. At the speed of an archive that costs more than decompression. At most the peak of the
memory in flight is kept.
"""

from __future__ import annotations

import ctypes
import functools

# Names and numbers of glibc, see mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# The maximum in glibc: all memory of a frame comes from the kept heap.
MMAP_BYTES = 32 * 1024 * 1024
KEPT_BYTES = 128 * 1024 * 1024


@functools.cache
def keep_freed_memory() -> None:
    """Configure glibc's allocator, once per process; other C libraries are left unchanged."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
