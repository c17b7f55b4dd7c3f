"""Which files of a backup are InnoDB tablespaces, and at which page number does each begin?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from backups.archive.contents import StoredFile

# "new": created during mariadb-backup's copy; "ibu": an undo tablespace created by a user.
_SUFFIXES = (".ibd", ".ibu", ".new")
_UNDO = re.compile(r"undo_?\d{3,}")
# The default name of the system tablespace, unless innodb_data_file_path has another.
SYSTEM_NAME = "ibdataN"
_SYSTEM = re.compile(r"ibdata(\d+)")
# Changed pages only, without their places, which only a prepare knows.
_INCREMENTAL_SUFFIX = ".delta"


def is_tablespace(path: str) -> bool:
    name = _name(path)
    return name.endswith(_SUFFIXES) or bool(_UNDO.fullmatch(name) or _SYSTEM.fullmatch(name))


def is_unreadable(path: str) -> bool:
    """Whether a file holds pages in an unknown order."""
    return path.endswith(_INCREMENTAL_SUFFIX)


def system_files(files: Sequence[StoredFile]) -> list[StoredFile]:
    """Return the files of the system tablespace in order: pages are numbered across them."""
    matches = [(match, file) for file in files if (match := _SYSTEM.fullmatch(_name(file.path)))]
    return [file for match, file in sorted(matches, key=lambda pair: int(pair[0].group(1)))]


def _name(path: str) -> str:
    return path.rpartition("/")[2]
