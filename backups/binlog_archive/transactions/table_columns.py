"""What does the server say today about the tables of a transaction that is to be reversed?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from backups.binlogs.events.table_map import TableMap
from backups.binlogs.undo.columns import TableColumn, columns_of_event

_COLUMNS = (
    "SELECT column_name, data_type, column_type, character_set_name, extra "
    "FROM information_schema.columns WHERE table_schema = %s AND table_name = %s "
    "ORDER BY ordinal_position"
)
_UNIQUE_KEYS = (
    "SELECT index_name, column_name, nullable FROM information_schema.statistics "
    "WHERE table_schema = %s AND table_name = %s AND non_unique = 0 "
    "ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index"
)
_ENGINE = "SELECT engine FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
_TRIGGERS = (
    "SELECT trigger_name FROM information_schema.triggers "
    "WHERE event_object_schema = %s AND event_object_table = %s"
)
_CASCADES = (
    "SELECT DISTINCT table_name FROM information_schema.referential_constraints "
    "WHERE unique_constraint_schema = %s AND referenced_table_name = %s "
    "AND (delete_rule IN ('CASCADE', 'SET NULL') OR update_rule IN ('CASCADE', 'SET NULL'))"
)


@dataclass(slots=True)
class LiveTables:
    """The tables of one server, each looked up once."""

    connection: Connection[Any]
    # Whether its account is shown triggers.
    sees_triggers: bool = True
    # What a reversal does not know by the binlog alone, each once.
    warnings: list[str] = field(default_factory=list)
    # Tables whose foreign keys cascade, and where to.
    cascades: dict[str, list[str]] = field(default_factory=dict)
    _known: dict[str, tuple[TableColumn, ...] | None] = field(default_factory=dict)

    def find(self, table: TableMap) -> tuple[TableColumn, ...] | None:
        """Return a table's columns; as the event names them where it is no longer there."""
        if table.name not in self._known:
            columns = self._columns(table)
            if columns is not None:
                self._warn(table)
            self._known[table.name] = columns
        found = self._known[table.name]
        return found if found is not None else columns_of_event(table)

    def _columns(self, table: TableMap) -> tuple[TableColumn, ...] | None:
        rows = self._ask(_COLUMNS, table)
        keys = self._key(table)
        columns = [
            TableColumn(
                name,
                data_type.lower(),
                "unsigned" in column_type.lower(),
                charset or "",
                "GENERATED" in extra.upper().replace("DEFAULT_GENERATED", ""),
                touched="ON UPDATE" in extra.upper(),
                key=name in keys,
            )
            for name, data_type, column_type, charset, extra in rows
        ]
        return tuple(columns) or None

    def _key(self, table: TableMap) -> set[str]:
        """Return the primary key's columns, or those of the first unique key without NULL."""
        by_index: dict[str, list[tuple[str | None, str]]] = {}
        for index, column, nullable in self._ask(_UNIQUE_KEYS, table):
            by_index.setdefault(index, []).append((column, nullable))
        for parts in by_index.values():
            names = {column for column, nullable in parts if nullable != "YES"}
            if len(names) == len(parts) and None not in names:
                return {name for name in names if name is not None}
        return set()

    def _warn(self, table: TableMap) -> None:
        engines = [row[0] for row in self._ask(_ENGINE, table)]
        if engines and str(engines[0]).lower() != "innodb":
            self.warnings.append(f"{table.name} is {engines[0]}: its changes cannot be rolled back")
        if not self.sees_triggers:
            self.warnings.append(
                f"whether {table.name} has triggers, which act again, is not known: the account "
                "lacks TRIGGER"
            )
        if triggers := [str(row[0]) for row in self._ask(_TRIGGERS, table)]:
            self.warnings.append(
                f"{table.name} has triggers, which act again: {', '.join(triggers)}"
            )
        if children := [str(row[0]) for row in self._ask(_CASCADES, table)]:
            self.cascades[table.name] = children
            self.warnings.append(
                f"foreign keys to {table.name} cascade, and no binlog has what they changed in "
                f"{', '.join(children)}"
            )

    # Any: SQL's values.
    def _ask(self, query: str, table: TableMap) -> list[tuple[Any, ...]]:
        with self.connection.cursor(Cursor) as cursor:
            cursor.execute(query, (table.schema, table.table))
            return list(cursor.fetchall())
