"""Does a program's output report a full disk? That is no evidence against a backup."""

from __future__ import annotations

import re
from pathlib import Path

from backups.exceptions import StageFailed

# The messages of mariadb-backup, MariaDB, MySQL and the C library. 28 is ENOSPC, 122 EDQUOT; but
# 122 from a storage engine is an internal error of that engine.
_DISK_FULL = re.compile(
    r"\b(?:error|errcode|errno)(?: number)?:? 28\b"
    r"|(?<!got )\b(?:error|errcode|errno)(?: number)?:? 122\b(?!\W*internal)"
    r"|no space left on device|\bdisk is full\b|disk quota exceeded",
    re.IGNORECASE,
)


def fail_if_disk_full(output: str, folder: Path) -> None:
    """Raise StageFailed if ``output`` reports that the disk of ``folder`` was full."""
    if _DISK_FULL.search(output):
        raise StageFailed(
            f"{folder}: No space left on device",
            hint="Free space on the target's disk and restore again.",
        )
