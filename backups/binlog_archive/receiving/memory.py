"""How do hundreds of threads use one heap, and give back what they have freed?

The C library makes a heap for each few threads, and keeps what each has freed: much more than the
receivers have in use once they are connected.
"""

from __future__ import annotations

import ctypes

# As glibc's malloc.h has it.
_ARENA_MAX = -8
_HEAPS = 2


def share_heaps() -> None:
    """Let all threads that are started from now on share few heaps; of another C library, none."""
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_ARENA_MAX, _HEAPS)


def give_back() -> None:
    """Return freed memory to the system, where the C library can."""
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
