"""On which disk is a folder, and does it contain another?

Two file systems of one disk have devices of their own: equal devices prove a shared disk, others
prove nothing.
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath

from backups.repositories.mounts import resolve


def device_of(path: str) -> int | None:
    """Return the device that a file or folder is on; None if that is unknown.

    A mount that can hang is not touched.
    """
    resolved = resolve(path)
    if resolved.mount is not None and resolved.mount.is_remote:
        return resolved.mount.device
    try:
        return os.stat(path).st_dev
    except OSError:
        return None


def real_path(path: str) -> str:
    """Return a path without links, as far as they can be read without a wait."""
    return resolve(path).path


def are_nested(one: str, other: str) -> bool:
    """Whether one of these paths is the other, or is inside it. Reads nothing."""
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)
