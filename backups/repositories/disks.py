"""On which disk is a folder, and does it contain another?

Two file systems of one disk have devices of their own: equal devices prove a shared disk, others
prove nothing.
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath


def device_of(path: str) -> int | None:
    """Return the device that a file or folder is on; None if that is unknown."""
    try:
        return os.stat(path).st_dev
    except OSError:
        return None


def are_nested(one: str, other: str) -> bool:
    """Whether one of these paths is the other, or is inside it. Reads nothing."""
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)
