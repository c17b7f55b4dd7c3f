"""Does the instance have a tablespace with the number of a file that is to be imported?

A MySQL finds its files by the number in their first page. With two files of one number in its
folder it does not start, and a file keeps the number of the backup until its import is done: a
crash meanwhile would leave a server that stays down. So such files are not copied there.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable
from pathlib import Path

from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.archive.contained import open_contained
from backups.instances.connection import fetch_rows

# Of the number in the first page of every file.
_AT = 34
_IN_USE = "SELECT SPACE AS n FROM information_schema.INNODB_TABLESPACES WHERE SPACE IN ({})"


def numbers_of(folder: Path, paths: Iterable[str]) -> frozenset[int]:
    """Return the numbers of the tablespaces among these files; OSError where one is cut short."""
    return frozenset(_number(folder, path) for path in paths if path.endswith(".ibd"))


def numbers_in_use(connection: Connection[DictCursor], numbers: Collection[int]) -> list[int]:
    """Return which of them the server has; InstanceUnreachable where it does not say."""
    if not numbers:
        return []
    rows = fetch_rows(connection, _IN_USE.format(", ".join(map(str, sorted(numbers)))))
    return sorted(int(row["n"]) for row in rows)


def _number(folder: Path, path: str) -> int:
    with open(open_contained(folder, path), "rb") as file:
        head = file.read(_AT + 4)
    try:
        return int(struct.unpack_from(">I", head, _AT)[0])
    except struct.error:
        raise OSError(f"{path} is no tablespace: it has {len(head)} bytes") from None
