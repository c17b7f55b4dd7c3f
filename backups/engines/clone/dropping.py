"""What does a restored partial clone know without having it, and how is that dropped?

The data dictionary of a clone is whole. Tables that were not chosen have an entry in it: in their
own file that is not there, in a general tablespace that was kept for another, or in ``ibdata1``.
DROP TABLE removes each, so that its name can be used again. Only for a partial backup.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection

from backups.engines.base import PrepareWatch
from backups.engines.clone.chosen_files import SUFFIX
from backups.exceptions import EngineError
from backups.programs.private_server import PrivateServer
from backups.programs.server_session import is_lost, session
from backups.table_names.choice import TableChoice
from backups.table_names.names import TableName, quoted
from backups.units import format_count

_OWN = "('mysql', 'sys', 'performance_schema', 'information_schema')"
_TABLES = f"""
    SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES
    WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA NOT IN {_OWN}
    ORDER BY TABLE_SCHEMA, TABLE_NAME
"""  # noqa: S608 - constants
_SPACES = """
    SELECT SPACE, NAME FROM information_schema.INNODB_TABLESPACES
    WHERE SPACE_TYPE = 'General' AND NAME <> 'mysql' ORDER BY NAME
"""
_FOREIGN_KEYS = f"""
    SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME
    FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA NOT IN {_OWN}
"""  # noqa: S608
_VIEWS = f"""
    SELECT VIEW_SCHEMA, VIEW_NAME, TABLE_SCHEMA, TABLE_NAME
    FROM information_schema.VIEW_TABLE_USAGE WHERE VIEW_SCHEMA NOT IN {_OWN}
"""  # noqa: S608
# A parent goes although a child of it is in, and no transaction of the copy's server is added.
_SESSION = "SET SESSION foreign_key_checks = 0, sql_log_bin = 0"
# The log names so many of what may be a million, so many in a line.
MOST_LOGGED, LOGGED_AT_ONCE = 1000, 20
_SPACE_ID_AT = 34
TABLESPACE_MISSING = 1812

Rows = Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What of a dictionary is not in a partial backup."""

    tables: tuple[TableName, ...]
    # Which of these were chosen, and have no file: renamed or made during the copy.
    lost: tuple[TableName, ...]
    # General tablespaces without a file.
    tablespaces: tuple[str, ...]
    # "shop.orders → shop.people": a table that is in, and its parent that is not.
    cut: tuple[str, ...]
    # Views that read any of it, or another such view.
    dangling: tuple[str, ...]


def drop_left_out(
    server: PrivateServer, choice: TableChoice, watch: PrepareWatch, *, fold: bool
) -> tuple[str, tuple[str, ...]]:
    """Drop what a partial backup does not have, and log it.

    Return that in words, or blank, and the tables that it should have.
    """
    present = read_space_ids(server.folder)
    try:
        with session(server) as connection:
            found = _find(connection, choice, present, fold=fold)
            _log(watch, found)
            _run(connection, _SESSION)
            kept = [
                str(table)
                for table in found.tables
                if not _drop(connection, f"DROP TABLE IF EXISTS {table.quoted}", watch)
            ]
            kept += [
                name
                for name in found.tablespaces
                if not _drop(connection, f"DROP TABLESPACE {quoted(name)}", watch)
            ]
    except pymysql.Error as exc:
        raise EngineError(
            f"tables that are not in the partial backup cannot be removed: {exc.args[-1]}"
        ) from None
    _log_names(watch, "not in the partial backup, and not removed", kept, "warning")
    lost = tuple(map(str, found.lost))
    others = len(found.tables) - len(lost)
    if not others:
        return "", lost
    tables = format_count(others, "table")
    words = f"{tables} not in the partial backup, removed from the dictionary"
    return words + (f" but for {len(kept)}" if kept else ""), lost


def read_space_ids(folder: Path) -> frozenset[int]:
    """Return the ids of the tablespaces that have a file in a data folder, or below it."""
    found = set()
    for _, _, files, descriptor in os.fwalk(folder):
        for name in files:
            if name.endswith(SUFFIX):
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=descriptor)
                try:
                    found.add(int.from_bytes(os.pread(file, 4, _SPACE_ID_AT), "big"))
                finally:
                    os.close(file)
    return frozenset(found)


def _find(
    connection: Connection[Any], choice: TableChoice, present: frozenset[int], *, fold: bool
) -> LeftOut:
    known = [TableName(str(schema), str(name)) for schema, name in _rows(connection, _TABLES)]
    chosen = [each for each in known if choice.chooses(each.schema, each.name, fold=fold)]
    lost = set(_without_file(connection, chosen))
    gone = set(known) - set(chosen) | lost
    spaces = _rows(connection, _SPACES)
    return LeftOut(
        tables=tuple(sorted(gone)),
        lost=tuple(sorted(lost)),
        tablespaces=tuple(str(name) for number, name in spaces if int(number) not in present),
        cut=tuple(sorted(_cut(_rows(connection, _FOREIGN_KEYS), gone))),
        dangling=tuple(sorted(map(str, find_dangling(_rows(connection, _VIEWS), gone)))),
    )


def _without_file(connection: Connection[Any], chosen: Iterable[TableName]) -> Iterable[TableName]:
    """Yield the tables that the server cannot open because a file of theirs is not there."""
    for table in chosen:
        try:
            _run(connection, f"SELECT 1 FROM {table.quoted} LIMIT 0")  # noqa: S608
        except pymysql.Error as exc:
            if is_lost(exc):
                raise
            if exc.args[0] == TABLESPACE_MISSING:
                yield table


def _cut(foreign_keys: Rows, gone: set[TableName]) -> Iterable[str]:
    for child_schema, child, parent_schema, parent in foreign_keys:
        of, to = TableName(child_schema, child), TableName(parent_schema, parent)
        if of not in gone and to in gone:
            yield f"{of} → {to}"


def find_dangling(usage: Rows, gone: Iterable[TableName]) -> set[TableName]:
    """Return the views that read what is gone, directly or through other views."""
    reads = [(TableName(*row[:2]), TableName(*row[2:])) for row in usage]
    lacking, found = set(gone), set[TableName]()
    while more := {view for view, read in reads if read in lacking} - found:
        found |= more
        lacking |= more
    return found


def _drop(connection: Connection[Any], statement: str, watch: PrepareWatch) -> bool:
    watch.check()
    watch.alive()
    try:
        _run(connection, statement)
    except pymysql.Error as exc:
        if is_lost(exc):
            raise
        watch.log("mooring", f"{statement}: {exc.args[-1]}", "warning")
        return False
    return True


def _log(watch: PrepareWatch, found: LeftOut) -> None:
    removed = [str(table) for table in found.tables]
    _log_names(watch, "not in the partial backup, removed from the dictionary", removed)
    _log_names(watch, "chosen, and not in the copy", map(str, found.lost), "warning")
    _log_names(watch, "tablespaces without a file, removed", found.tablespaces)
    _log_names(watch, "foreign keys to tables that are not in", found.cut, "warning")
    _log_names(watch, "views of tables that are not in", found.dangling, "warning")


def _log_names(watch: PrepareWatch, what: str, names: Iterable[str], level: str = "info") -> None:
    names = list(names)
    for at in range(0, min(len(names), MOST_LOGGED), LOGGED_AT_ONCE):
        watch.log("mooring", f"{what}: {', '.join(names[at : at + LOGGED_AT_ONCE])}", level)
    if len(names) > MOST_LOGGED:
        watch.log("mooring", f"{what}: {len(names) - MOST_LOGGED} more", level)


def _run(connection: Connection[Any], statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _rows(connection: Connection[Any], query: str) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())
