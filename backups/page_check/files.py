"""Which files of a backup are InnoDB tablespaces, and at which page number does each begin?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from backups.archive.contents import StoredFile

# "new": made while mariadb-backup copied; "ibu": an undo tablespace somebody created.
_SUFFIXES = (".ibd", ".ibu", ".new")
_UNDO = re.compile(r"undo_?\d{3,}")
# As every server names its system tablespace, unless innodb_data_file_path says otherwise.
SYSTEM_NAME = "ibdataN"
_SYSTEM = re.compile(r"ibdata(\d+)")
# Changed pages only, without the places where they belong: a prepare would tell those.
_INCREMENTAL_SUFFIX = ".delta"


def is_tablespace(path: str) -> bool:
    name = _name(path)
    return name.endswith(_SUFFIXES) or bool(_UNDO.fullmatch(name) or _SYSTEM.fullmatch(name))


def is_unreadable(path: str) -> bool:
    """Whether a file holds pages in an order that nothing here can tell."""
    return path.endswith(_INCREMENTAL_SUFFIX)


def system_files(files: Sequence[StoredFile]) -> list[StoredFile]:
    """Return the files of the system tablespace in their order: its pages are numbered through."""
    found = [(match, file) for file in files if (match := _SYSTEM.fullmatch(_name(file.path)))]
    return [file for match, file in sorted(found, key=lambda pair: int(pair[0].group(1)))]


def _name(path: str) -> str:
    return path.rpartition("/")[2]
