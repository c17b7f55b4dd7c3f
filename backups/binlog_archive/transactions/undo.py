"""Can a transaction be reversed, by which statements, and what stands against it?

Looked for: what its images do not have, tables that were altered, and later changes of the same
rows. Where anything is found, the way is a recovery without the transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pymysql.connections import Connection

from backups.binlog_archive.transactions.browse import Found, InstanceBinlogs
from backups.binlog_archive.transactions.table_columns import LiveTables
from backups.binlogs.events.changes import TableRowChange
from backups.binlogs.events.rows import ChangeKind
from backups.binlogs.moments import from_micros
from backups.binlogs.undo.columns import TableColumn
from backups.binlogs.undo.reverse import Reversal, reverse, row_key, script
from backups.exceptions import BinlogDamaged, Refused
from backups.instances.facts import fetch_grants
from backups.instances.grants import (
    NEEDED_TO_SEE_TRIGGERS,
    NEEDED_TO_UNDO,
    grant_statement,
    missing_privileges,
)

# How many conflicts are named; there may be as many as rows.
MOST_CONFLICTS = 20


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """The statements, and everything against them."""

    found: Found
    reversal: Reversal
    # What the binlog cannot know: triggers, cascades, engines.
    warnings: list[str]
    # Later changes of the same rows, and rows of other tables that would go or stay away.
    conflicts: list[str]

    @property
    def possible(self) -> bool:
        return bool(self.reversal.statements) and not self.objections

    @property
    def objections(self) -> list[str]:
        found = [*self.reversal.problems, *self.conflicts]
        return found or ([] if self.reversal.statements else ["it changed no rows"])

    def lines(self) -> Iterator[str]:
        """Yield the file for the client."""
        transaction = self.found.transaction
        heading = [
            f"Reverses the transaction {transaction.gtid or self.found.place}",
            f"committed at {from_micros(transaction.commit_micros).isoformat()}.",
            f"{len(self.reversal.statements)} rows, the last change first; all of them or none.",
            *(f"WARNING: {warning}" for warning in self.warnings),
        ]
        return script(self.reversal, heading)


def plan_undo(binlogs: InstanceBinlogs, found: Found, connection: Connection[Any]) -> UndoPlan:
    """Return how a transaction is reversed on the server of a connection.

    Refused if its account does not see everything that may stand against that.
    """
    grants = fetch_grants(connection)
    if missing := missing_privileges(grants, NEEDED_TO_UNDO):
        raise Refused(
            f"{grants.account} does not see every table and foreign key, so that what stands "
            f"against a reversal would not be found: it lacks {', '.join(missing)}",
            hint=f"Run on the server: {grant_statement(grants.account, missing)}",
        )
    sees_triggers = not missing_privileges(grants, NEEDED_TO_SEE_TRIGGERS)
    tables = LiveTables(connection, sees_triggers=sees_triggers)
    reversal = reverse(binlogs.changes(found), tables.find)
    conflicts = list(islice(_later_changes(binlogs, found, reversal, tables), MOST_CONFLICTS))
    conflicts += _cascades(binlogs, found, tables)
    return UndoPlan(found, reversal, tables.warnings, conflicts)


def _cascades(binlogs: InstanceBinlogs, found: Found, tables: LiveTables) -> Iterator[str]:
    """Yield which tables have rows that a foreign key would delete, or that it has deleted.

    No binlog has what a foreign key did: rows deleted with their parent do not come back with it,
    and rows that were added to a new parent later would go with it.
    """
    left = dict(tables.cascades)
    for change in binlogs.changes(found) if left else ():
        if not isinstance(change, TableRowChange) or change.row.kind is ChangeKind.UPDATE:
            continue
        if children := left.pop(change.table.name, None):
            yield (
                f"rows of {change.table.name} were added or deleted, and foreign keys change "
                f"{', '.join(children)} with them, of which no binlog knows"
            )


def _later_changes(
    binlogs: InstanceBinlogs, found: Found, reversal: Reversal, tables: LiveTables
) -> Iterator[str]:
    """Yield each later transaction that changed one of the rows, once per table."""
    for later in binlogs.after(found, reversal.keys.keys()):
        touched = {table.name for table in later.transaction.tables} & reversal.keys.keys()
        yield from _conflicts(binlogs, later, touched, reversal, tables)


def _conflicts(
    binlogs: InstanceBinlogs,
    later: Found,
    touched: set[str],
    reversal: Reversal,
    tables: LiveTables,
) -> Iterator[str]:
    left = set(touched)
    for change in binlogs.changes(later):
        if not isinstance(change, TableRowChange) or change.table.name not in left:
            continue
        columns = tables.find(change.table)
        key = _shared_key(change, columns, reversal.keys[change.table.name])
        if key is not None:
            left.discard(change.table.name)
            moment = from_micros(later.transaction.commit_micros).isoformat(" ")
            name = later.transaction.gtid or later.place
            yield f"a row of {change.table.name} was changed again by {name} at {moment}"


def _shared_key(
    change: TableRowChange, columns: tuple[TableColumn, ...] | None, keys: set[str]
) -> str | None:
    """Return which of the keys a later change is of."""
    if columns is None:
        return None
    for image in (change.row.before, change.row.after):
        try:
            key = row_key(image, columns, change.table) if image is not None else None
        except (BinlogDamaged, IndexError):
            # An image of another shape: the table was altered, which is found by itself.
            continue
        if key in keys:
            return key
    return None
