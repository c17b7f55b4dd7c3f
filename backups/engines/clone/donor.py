"""Which facts of a MySQL server are not part of a clone? Read by plain SQL.

A clone leaves out configuration, persisted variables, and tables of engines other than InnoDB.
What the account may not see is None: unknown, not empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.table_names.choice import TableChoice

# Needs any privilege on the tables; without one the result is empty. The server's own schemas exist
# on every server, or are in mysql.ibd.
FOREIGN_TABLES = """
    SELECT TABLE_SCHEMA AS table_schema, TABLE_NAME AS table_name, ENGINE AS engine,
           COALESCE(DATA_LENGTH, 0) + COALESCE(INDEX_LENGTH, 0) AS size_bytes
    FROM information_schema.TABLES
    WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE <> 'InnoDB'
      AND TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
    ORDER BY TABLE_SCHEMA, TABLE_NAME
"""
PLUGINS = """
    SELECT PLUGIN_NAME AS name, PLUGIN_STATUS AS status, COALESCE(PLUGIN_LIBRARY, '') AS soname
    FROM information_schema.PLUGINS ORDER BY PLUGIN_NAME
"""
PERSISTED = """
    SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value
    FROM performance_schema.persisted_variables ORDER BY VARIABLE_NAME
"""
COMPONENTS = "SELECT component_urn AS urn FROM mysql.component ORDER BY component_urn"
# Any of these privileges lets an account see all tables.
TABLE_PRIVILEGES = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "REFERENCES", "SHOW VIEW", "TRIGGER", "ALTER"}
)


@dataclass(frozen=True, slots=True)
class DonorSettings:
    """What a restored server lacks unless it is configured again."""

    variables: Mapping[str, str]
    plugins: Sequence[Mapping[str, str]]
    persisted: Mapping[str, str] | None
    components: Sequence[str] | None
    # schema, name, engine and size of tables that are not in the backup.
    foreign_tables: Sequence[Mapping[str, Any]] | None


def fetch_settings(connection: Connection[Any]) -> DonorSettings:
    """Query the settings of a donor."""
    persisted = _allowed(connection, PERSISTED)
    components = _allowed(connection, COMPONENTS)
    foreign = None
    if _may_see_tables(connection):
        foreign = [
            {**row, "size_bytes": int(row["size_bytes"])}
            for row in _rows(connection, FOREIGN_TABLES)
        ]
    variables = _rows(connection, "SHOW GLOBAL VARIABLES")
    return DonorSettings(
        variables={row["Variable_name"]: str(row["Value"]) for row in variables},
        plugins=_rows(connection, PLUGINS),
        persisted=None if persisted is None else {row["name"]: row["value"] for row in persisted},
        components=None if components is None else [row["urn"] for row in components],
        foreign_tables=foreign,
    )


def chosen_tables(
    settings: DonorSettings, choice: TableChoice | None
) -> Sequence[Mapping[str, Any]]:
    """Return the tables of other engines that a backup of this choice has; None is all."""
    tables, fold = settings.foreign_tables or (), folds_case(settings.variables)
    if choice is None:
        return tables
    return [
        table
        for table in tables
        if choice.chooses(table["table_schema"], table["table_name"], fold=fold)
    ]


def folds_case(variables: Mapping[str, str]) -> bool:
    """Whether a server with these variables does not tell upper from lower case in names."""
    return variables.get("lower_case_table_names", "0") != "0"


def fetch_gtids(connection: Connection[Any]) -> str:
    """Return the GTID set a donor has executed at this moment, in one line."""
    rows = _rows(connection, "SELECT @@GLOBAL.gtid_executed AS gtids")
    return str(rows[0]["gtids"] or "").replace("\n", "")


def _may_see_tables(connection: Connection[Any]) -> bool:
    lines = [str(next(iter(row.values()))) for row in _rows(connection, "SHOW GRANTS")]
    for line in lines:
        granted, _, rest = line.removeprefix("GRANT ").partition(" ON ")
        if rest.startswith("*.*") and TABLE_PRIVILEGES & set(granted.split(", ")):
            return True
    return False


def _allowed(connection: Connection[Any], sql: str) -> list[dict[str, Any]] | None:
    """Return the rows, or None if the account lacks the privilege or the table is missing."""
    with suppress(pymysql.err.OperationalError, pymysql.err.ProgrammingError):
        return _rows(connection, sql)
    return None


def _rows(connection: Connection[Any], sql: str) -> list[dict[str, Any]]:
    with connection.cursor(DictCursor) as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())
