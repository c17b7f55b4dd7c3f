"""Does a program say that its disk was full? That speaks against no backup."""

from __future__ import annotations

import re
from pathlib import Path

from backups.exceptions import StageFailed

# As mariadb-backup, MariaDB, MySQL and the C library say it. 28 is ENOSPC, 122 EDQUOT; but the
# 122 that a server got from a storage engine is an internal error of the engine.
_WORDS = re.compile(
    r"\b(?:error|errcode|errno)(?: number)?:? 28\b"
    r"|(?<!got )\b(?:error|errcode|errno)(?: number)?:? 122\b(?!\W*internal)"
    r"|no space left on device|\bdisk is full\b|disk quota exceeded",
    re.IGNORECASE,
)


def fail_if_disk_full(said: str, folder: Path) -> None:
    """Raise StageFailed where ``said`` tells that the disk of ``folder`` was full."""
    if _WORDS.search(said):
        raise StageFailed(
            f"{folder}: No space left on device",
            hint="Free space on the target's disk and restore again.",
        )
