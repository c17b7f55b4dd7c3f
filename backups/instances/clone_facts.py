"""Which facts does a clone of a MySQL server depend on? A few cheap queries, no decisions."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.engines.clone.donor import FOREIGN_TABLES, TABLE_PRIVILEGES
from backups.instances.connection import fetch_rows
from backups.instances.grants import Grants

_VARIABLES = ("max_allowed_packet", "innodb_redo_log_encrypt", "innodb_undo_log_encrypt")
_PLUGIN = """
    SELECT PLUGIN_STATUS AS status FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'clone'
"""
_CLONES = "SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE COMMAND = 'clone'"
# A running clone has at least these; after its client is gone one remains for a while.
LEAST_CONNECTIONS = 2
# A server takes a moment to notice that a client was killed: such a clone is no obstacle.
NOTICE_SECONDS, RECHECK_SECONDS = 3.0, 0.2


@dataclass(frozen=True, slots=True)
class CloneSettings:
    """Options of a backup by clone beyond the clone itself."""

    install_plugin: bool = False
    save_foreign_tables: bool = False


@dataclass(frozen=True, slots=True)
class ForeignTable:
    """A table of an engine other than InnoDB."""

    schema: str
    name: str
    engine: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CloneFacts:
    """The facts a clone depends on. None is unknown: the account lacks the privilege."""

    # ACTIVE, DISABLED …; blank if it is not installed.
    plugin: str = ""
    max_allowed_packet: int | None = None
    redo_enabled: bool = True
    running_clones: int | None = None
    encrypts_logs: bool = False
    # Whether this connection used TLS, as those of a copy will.
    uses_tls: bool | None = None
    foreign_tables: tuple[ForeignTable, ...] | None = None


def fetch_clone_facts(
    connection: Connection[DictCursor], grants: Grants, may_see_threads: bool
) -> CloneFacts:
    """Query a MySQL server; what it does not report is unknown."""
    variables = _variables(connection)
    plugin = fetch_rows(connection, _PLUGIN)
    packet = variables.get("max_allowed_packet")
    foreign: tuple[ForeignTable, ...] | None = None
    if grants.everything or grants.privileges & TABLE_PRIVILEGES:
        foreign = _foreign_tables(connection)
    return CloneFacts(
        plugin=str(plugin[0]["status"]) if plugin else "",
        max_allowed_packet=int(packet) if packet else None,
        redo_enabled=_status(connection, "Innodb_redo_log_enabled") != "OFF",
        running_clones=_running_clones(connection) if may_see_threads else None,
        uses_tls=bool(_status(connection, "Ssl_cipher")),
        encrypts_logs="ON" in {variables.get(name, "") for name in _VARIABLES[1:]},
        foreign_tables=foreign,
    )


def _running_clones(connection: Connection[DictCursor]) -> int:
    until = time.monotonic() + NOTICE_SECONDS
    while (count := int(fetch_rows(connection, _CLONES)[0]["n"])) >= LEAST_CONNECTIONS:
        if time.monotonic() > until:
            break
        time.sleep(RECHECK_SECONDS)
    return count


def _foreign_tables(connection: Connection[DictCursor]) -> tuple[ForeignTable, ...]:
    return tuple(
        ForeignTable(row["table_schema"], row["table_name"], row["engine"], int(row["size_bytes"]))
        for row in fetch_rows(connection, FOREIGN_TABLES)
    )


def _variables(connection: Connection[DictCursor]) -> dict[str, str]:
    wanted = ", ".join(["%s"] * len(_VARIABLES))
    sql = f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({wanted})"
    return {
        row["Variable_name"]: str(row["Value"]) for row in fetch_rows(connection, sql, _VARIABLES)
    }


def _status(connection: Connection[DictCursor], name: str) -> str:
    rows = fetch_rows(connection, "SHOW SESSION STATUS LIKE %s", (name,))
    return str(rows[0]["Value"]) if rows else ""
