"""What does a table look like in the instance, before it gets its name?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.exceptions import StageFailed
from backups.instances.connection import fetch_rows
from backups.table_names.names import TableName, quoted
from backups.units import format_count

_KEYS = """
    SELECT CONSTRAINT_NAME AS name, COLUMN_NAME AS col, REFERENCED_TABLE_SCHEMA AS sch,
           REFERENCED_TABLE_NAME AS parent, REFERENCED_COLUMN_NAME AS parent_col
    FROM information_schema.KEY_COLUMN_USAGE
    WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND REFERENCED_TABLE_NAME IS NOT NULL
    ORDER BY CONSTRAINT_NAME, ORDINAL_POSITION
"""


def check_whole(connection: Connection[DictCursor], table: TableName, expected_rows: int) -> None:
    """Raise StageFailed unless the server finds the table sound, with all its rows."""
    for line in fetch_rows(connection, f"CHECK TABLE {table.quoted}"):
        if line["Msg_type"] == "error" or (
            line["Msg_type"] == "status" and line["Msg_text"] != "OK"
        ):
            raise StageFailed(f"CHECK TABLE of the restored table says: {line['Msg_text']}")
    counted = fetch_rows(connection, f"SELECT COUNT(*) AS n FROM {table.quoted}")[0]["n"]  # noqa: S608
    if int(counted) != expected_rows:
        raise StageFailed(
            f"the restored table has {counted} rows, in the backup it has {expected_rows}"
        )


def find_orphans(connection: Connection[DictCursor], table: TableName) -> list[str]:
    """Return a sentence for each foreign key whose rows have no parent, or cannot be checked."""
    keys: dict[str, list[Mapping[str, Any]]] = {}
    for row in fetch_rows(connection, _KEYS, (table.schema, table.name)):
        keys.setdefault(str(row["name"]), []).append(row)
    found = []
    for name, columns in keys.items():
        parent = TableName(str(columns[0]["sch"]), str(columns[0]["parent"]))
        try:
            orphans = _count_orphans(connection, table, parent, columns)
        except pymysql.Error as exc:
            reason = exc.args[-1] if exc.args else exc
            found.append(f"foreign key {name} to {parent} was not checked: {reason}")
            continue
        if orphans:
            rows = format_count(orphans, "row")
            found.append(f"foreign key {name}: {rows} without a parent in {parent}")
    return found


def _count_orphans(
    connection: Connection[DictCursor],
    table: TableName,
    parent: TableName,
    columns: list[Mapping[str, Any]],
) -> int:
    pairs = [(quoted(str(row["col"])), quoted(str(row["parent_col"]))) for row in columns]
    joined = " AND ".join(f"c.{own} = p.{other}" for own, other in pairs)
    given = " AND ".join(f"c.{own} IS NOT NULL" for own, _ in pairs)
    sql = (
        f"SELECT COUNT(*) AS n FROM {table.quoted} c LEFT JOIN {parent.quoted} p "  # noqa: S608
        f"ON {joined} WHERE {given} AND p.{pairs[0][1]} IS NULL"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    return int(row["n"]) if row else 0
