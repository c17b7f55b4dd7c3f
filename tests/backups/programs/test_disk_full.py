"""Tests of what programs say when there is no room left."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.exceptions import StageFailed
from backups.programs.disk_full import fail_if_disk_full

# As they were printed by mariadb-backup and MariaDB 10.11 and by MySQL 9.7.
FULL = [
    "[00] mariabackup: IO Error: 28",
    "[ERROR] InnoDB: preallocating 100663296 bytes for file ./ib_logfile101 failed with error 28",
    '[ERROR] mariadbd: Error writing file (Errcode: 28 "No space left on device")',
    "[ERROR] [MY-012640] [InnoDB] Error number 28 means 'No space left on device'",
    "[ERROR] [InnoDB] Operating system error number 28 in a file operation.",
    "[ERROR] [InnoDB] Operating system error number 122 in a file operation.",
    "[00] mariabackup: IO Error: 122",
    "Error writing file './shop/t.MYD' (errno: 122 - Disk quota exceeded)",
    "[ERROR] [InnoDB] Cannot extend: the disk is full",
    "write failed: Disk quota exceeded",
]
OTHER = [
    "Got error 122 from storage engine",
    "Got error 122 'Internal (unspecified) error in handler' from storage engine CSV",
    'Can\'t open table (errno: 122 "Internal (unspecified) error in handler")',
    "error 1220",
    "error number 128",
    "the disk is fuller",
    "",
    "error 280",
    "Errcode: 2",
    "End of log at LSN=28",
    "Got error 194",
]


@pytest.mark.parametrize("said", FULL)
def test_a_full_disk_is_recognised(said: str) -> None:
    with pytest.raises(StageFailed, match=r"^/data/r: No space left") as failed:
        fail_if_disk_full(f"before\n{said}\nafter", Path("/data/r"))
    assert "Free space" in failed.value.hint


@pytest.mark.parametrize("said", OTHER)
def test_other_trouble_is_not(said: str) -> None:
    fail_if_disk_full(said, Path("/data/r"))
