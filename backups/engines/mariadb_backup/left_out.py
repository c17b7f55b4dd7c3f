"""Which tables does a restored partial copy know without having them, and how are they removed?

InnoDB's dictionary is whole in every copy. A table that was left out has an entry there and no
file: its name could not be used again. DROP TABLE removes such an entry. Nothing is dropped that
has a file of its own, and nothing where the copy is not partial.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.connections import Connection

from backups.engines.mariadb_backup.metadata import is_partial
from backups.exceptions import EngineError
from backups.programs.server_session import is_lost, session
from backups.units import format_count

if TYPE_CHECKING:
    from backups.programs.private_server import PrivateServer

_KNOWN = "SELECT NAME FROM information_schema.INNODB_SYS_TABLES WHERE NAME LIKE '%/%'"
# As the server writes names of files: whatever else the dictionary has is left as it is.
_FILE = re.compile(r"[A-Za-z0-9_$@]+/[A-Za-z0-9_$@#]+")
_PARTITION = re.compile(r"#p#", re.IGNORECASE)
# The tables of a full-text index go with the table that has it.
_HIDDEN = "/FTS_"
# Taken as the name of a file, not decoded.
_AS_FILE = "#mysql50#"
NAMED = 5


def remove_left_out(server: PrivateServer) -> str:
    """Remove the entries of tables that are not in the copy; return that in words, or blank."""
    if not is_partial(server.folder):
        return ""
    try:
        with session(server) as connection:
            found = _left_out(connection, server.folder)
            for name in found:
                _drop(connection, name)
            remaining = _left_out(connection, server.folder)
    except pymysql.Error as exc:
        raise EngineError(f"tables that are not in the copy cannot be removed: {exc}") from None
    return _in_words([name for name in found if name not in remaining], remaining)


def _left_out(connection: Connection[Any], folder: Path) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN)
        names = sorted(str(row[0] if isinstance(row, tuple) else row["NAME"]) for row in cursor)
    return [name for name in names if _FILE.fullmatch(name) and not _has_files(folder, name)]


def _has_files(folder: Path, name: str) -> bool:
    table = _PARTITION.split(name)[0]
    return any((folder / f"{stem}").exists() for stem in (f"{name}.ibd", f"{table}.frm"))


def _drop(connection: Connection[Any], name: str) -> None:
    if _HIDDEN in name:
        return
    schema, _, table = name.partition("/")
    with connection.cursor() as cursor:
        try:
            # A parent that is not in goes although a child is.
            cursor.execute("SET SESSION foreign_key_checks = 0, sql_log_bin = 0")
            cursor.execute(f"DROP TABLE IF EXISTS `{_AS_FILE}{schema}`.`{_AS_FILE}{table}`")
        except pymysql.Error as exc:
            if is_lost(exc):
                raise


def _in_words(removed: Iterable[str], remaining: Iterable[str]) -> str:
    tables = _tables(removed)
    words = []
    if tables:
        verb = "is" if len(tables) == 1 else "are"
        gone = "was" if len(tables) == 1 else "were"
        words.append(
            f"{format_count(len(tables), 'table')} that {verb} not in the partial backup {gone} "
            f"removed from InnoDB's dictionary: {_named(tables)}"
        )
    if left := _tables(remaining):
        words.append(f"not in the partial backup, and not removed: {_named(left)}")
    return "; ".join(words)


def _tables(names: Iterable[str]) -> list[str]:
    found = (_PARTITION.split(name)[0].replace("/", ".") for name in names if _HIDDEN not in name)
    return list(dict.fromkeys(found))


def _named(tables: list[str]) -> str:
    named = ", ".join(tables[:NAMED])
    return f"{named} and {len(tables) - NAMED} more" if len(tables) > NAMED else named
