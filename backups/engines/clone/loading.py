"""How are saved tables loaded into a restored server?

A clone has the definitions of tables of other engines, and none of their rows. Each table is
re-created from its file; its triggers, which are dropped with it, are created again after its rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.archive.contained import remove_contained
from backups.engines.base import PrepareWatch
from backups.engines.clone.literals import quoted
from backups.engines.clone.loading_account import LoadingAccount, check_trigger, loading_account
from backups.engines.clone.saved_files import (
    FOLDER,
    PREAMBLE,
    SavedTable,
    allowed,
    read_statements,
)
from backups.exceptions import EngineError
from backups.programs.disk_full import fail_if_disk_full
from backups.programs.private_server import PrivateServer
from backups.programs.server_session import gone, is_lost, session

_ENGINES = "SELECT ENGINE AS name FROM information_schema.ENGINES WHERE SUPPORT <> 'NO'"
_TRIGGERS = """
    SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS
    WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s
    ORDER BY EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER
"""


def load_tables(
    server: PrivateServer, folder: Path, saved: Sequence[SavedTable], watch: PrepareWatch
) -> int:
    """Load every saved table, or raise EngineError; return how many.

    A table whose engine the server lacks stays as a file, with a warning in the log.
    """
    loaded = 0
    with session(server) as admin:
        known = {row["name"] for row in _rows(admin, _ENGINES)}
        with loading_account(server, admin) as account:
            for table in saved:
                watch.check()
                if table.engine not in known:
                    watch.log("mooring", _not_loaded(table), "warning")
                    continue
                try:
                    _load(server, account, folder, table, watch)
                except EngineError as exc:
                    # The client only gets "table is full"; the log shows that the disk was.
                    fail_if_disk_full(f"{exc}\n{server.log.tail(100)}", folder)
                    raise
                remove_contained(folder, table.path)
                loaded += 1
    if loaded == len(saved):
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
    return loaded


def _not_loaded(table: SavedTable) -> str:
    return f"{table.path} was not loaded: the server has no engine {table.engine}"


def _load(
    server: PrivateServer,
    account: LoadingAccount,
    folder: Path,
    table: SavedTable,
    watch: PrepareWatch,
) -> None:
    full_name = f"{quoted(table.schema)}.{quoted(table.name)}"
    admin = account.admin
    try:
        triggers = _triggers(admin, table)
        _make_place(admin, table)
        account.grant(table.schema, table.name)
        with server.connect(user=account.name, password=account.password) as connection:
            for statement in allowed(read_statements(folder, table.path), table):
                watch.check()
                watch.alive()
                account.grant_union(table.schema, statement)
                _run(connection, statement, full_name, watch)
        account.revoke_all()
        for trigger in triggers:
            _make_again(admin, table.schema, trigger)
        row_count = None if table.rows is None else _count(admin, full_name)
    except (pymysql.err.Error, OSError, UnicodeDecodeError) as exc:
        # A server stopped on request is no evidence about the table.
        watch.check()
        if is_lost(exc):
            raise gone(server, f"{full_name} was loaded") from None
        reason = exc.args[-1] if exc.args else type(exc).__name__
        raise EngineError(f"{full_name} could not be loaded: {reason}") from None
    if row_count != table.rows:
        raise EngineError(f"{full_name}: {table.rows} rows were saved, {row_count} loaded")
    what = "its definition" if row_count is None else f"{row_count} rows"
    watch.log("mooring", f"loaded {full_name}: {what}")


def _make_place(admin: Connection[Any], table: SavedTable) -> None:
    """Drop the table with its triggers: the backup's file creates it again."""
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(table.schema)}")
        cursor.execute(f"DROP TABLE IF EXISTS {quoted(table.schema)}.{quoted(table.name)}")


def _run(connection: Connection[Any], sql: str, full_name: str, watch: PrepareWatch) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        if cursor.warning_count and sql.startswith("INSERT"):
            first = _rows(connection, "SHOW WARNINGS LIMIT 1")[0]["Message"]
            watch.log(
                "mooring", f"{full_name}: {cursor.warning_count} warnings: {first}", "warning"
            )


def _count(connection: Connection[Any], full_name: str) -> int:
    return int(_rows(connection, f"SELECT COUNT(*) AS n FROM {full_name}")[0]["n"])  # noqa: S608


def _triggers(connection: Connection[Any], table: SavedTable) -> list[dict[str, Any]]:
    names = _rows(connection, _TRIGGERS, (table.schema, table.name))
    schema = quoted(table.schema)
    return [
        _rows(connection, f"SHOW CREATE TRIGGER {schema}.{quoted(row['name'])}")[0] for row in names
    ]


def _make_again(connection: Connection[Any], schema: str, trigger: Mapping[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"USE {quoted(schema)}")
        cursor.execute("SET SESSION sql_mode = %s", (trigger["sql_mode"],))
        cursor.execute("SET SESSION collation_connection = %s", (trigger["collation_connection"],))
        cursor.execute(check_trigger(trigger["SQL Original Statement"]))
        for statement in PREAMBLE:
            cursor.execute(statement)


def _rows(
    connection: Connection[Any], sql: str, parameters: tuple[object, ...] = ()
) -> list[dict[str, Any]]:
    with connection.cursor(DictCursor) as cursor:
        cursor.execute(sql, parameters or None)
        return list(cursor.fetchall())
