"""Which settings did the backed-up server have that a restored one should get?

Only settings that shape the files or the meaning of rows: all others are left to the operator of
the restored server.
"""

from __future__ import annotations

from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.exceptions import InstanceUnreachable
from backups.instances.connection import fetch_rows
from backups.programs.compatibility import MARIADB
from backups.programs.server_settings import ServerSettings

VARIABLES = (
    "character_set_server",
    "collation_server",
    "sql_mode",
    "time_zone",
    "lower_case_table_names",
    "innodb_redo_log_capacity",
    "innodb_log_file_size",
    "innodb_undo_directory",
    "innodb_directories",
    "max_allowed_packet",
    "gtid_mode",
    "enforce_gtid_consistency",
    "server_id",
    "port",
    "socket",
    "log_bin_basename",
    "binlog_format",
    "event_scheduler",
)
_PLUGINS = """
    SELECT PLUGIN_NAME AS name, PLUGIN_LIBRARY AS soname FROM information_schema.PLUGINS
    WHERE PLUGIN_LIBRARY IS NOT NULL AND PLUGIN_STATUS = 'ACTIVE' ORDER BY PLUGIN_NAME
"""


# Of MariaDB, whose backups hold no file that names a source. A privilege of its own is needed.
_SOURCES = "SHOW ALL SLAVES STATUS"


def fetch_server_settings(connection: Connection[DictCursor], flavour: str) -> ServerSettings:
    """Query a server; InstanceUnreachable when it stops answering."""
    wanted = ", ".join(["%s"] * len(VARIABLES))
    variables = fetch_rows(
        connection, f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({wanted})", VARIABLES
    )
    plugins = fetch_rows(connection, _PLUGINS)
    return ServerSettings(
        {row["Variable_name"].lower(): str(row["Value"] or "") for row in variables},
        {row["name"]: row["soname"] for row in plugins},
        _sources(connection) if flavour == MARIADB else {},
    )


def _sources(connection: Connection[DictCursor]) -> dict[str, str]:
    """Return what a server replicates from; empty where the account may not see it."""
    try:
        rows = fetch_rows(connection, _SOURCES)
    except InstanceUnreachable:
        # A lost connection is noticed here.
        fetch_rows(connection, "SELECT VERSION()")
        return {}
    return {
        str(row["Connection_name"]): f"{row['Master_Host']}:{row['Master_Port']}" for row in rows
    }
