"""Does a program say that its disk was full? That speaks against no backup."""

from __future__ import annotations

import re
from pathlib import Path

from backups.exceptions import StageFailed

# As mariadb-backup, MariaDB, MySQL and the C library say it.
_WORDS = re.compile(r"\b(?:error|errcode|errno):? 28\b|no space left on device", re.IGNORECASE)


def fail_if_disk_full(said: str, folder: Path) -> None:
    """Raise StageFailed where ``said`` tells that the disk of ``folder`` was full."""
    if _WORDS.search(said):
        raise StageFailed(
            f"{folder}: No space left on device",
            hint="Free space on the target's disk and restore again.",
        )
