"""Is it proven what a server has whose replay did not end in order? Pure.

The position of a replica is stored with the data, in one transaction of InnoDB: what the position
has is there, and nothing else. That is not so for tables of other storage engines, and for what a
server does outside transactions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass

from backups.binlog_archive.recovery.from_backup import PlacedTransaction
from backups.binlogs.index.read import IndexedTransaction

# Of the server itself: what a statement of a user changes is elsewhere.
OWN_SCHEMAS = frozenset({"mysql", "sys", "information_schema", "performance_schema"})
_TEMPORARY = re.compile(r"CREATE\s+(?:OR\s+REPLACE\s+)?TEMPORARY\b", re.IGNORECASE)
# A worker has one transaction at a time, and they end in order.
_MOST_AT_WORK = 16


@dataclass(frozen=True, slots=True)
class TablesFound:
    """What the server of a folder says of its tables."""

    # As ``schema.table``: those that are not of InnoDB.
    foreign: Set[str]
    # Of the tables that hold the position, those that are not of InnoDB.
    loose: Set[str] = frozenset()

    @property
    def has_foreign(self) -> bool:
        """Whether a user has any of them."""
        return any(name.partition(".")[0] not in OWN_SCHEMAS for name in self.foreign)


def doubt_of_killed(
    found: TablesFound,
    before: Iterable[PlacedTransaction],
    behind: Iterable[PlacedTransaction],
    *,
    is_mariadb: bool,
) -> str:
    """Return what is not proven of a server that was killed; blank: nothing.

    ``before``: what its position has; ``behind``: what it was sent beyond that, and may have begun.
    """
    if found.loose:
        return f"{min(found.loose)}, which holds its position, is not of InnoDB"
    for placed in before:
        if _TEMPORARY.search(placed.transaction.statement):
            return f"{_named(placed)} made a temporary table, which may have been open"
    for placed in behind:
        if why := _why_not_whole(placed.transaction, found, is_mariadb=is_mariadb):
            return f"{_named(placed)} may have been applied in part: {why}"
    return ""


def doubt_of_failed(found: TablesFound, behind: Iterable[PlacedTransaction]) -> str:
    """Return what is not proven of a server that ended in order after an error; blank: nothing."""
    for _, placed in zip(range(_MOST_AT_WORK), behind, strict=False):
        if table := _foreign_table(placed.transaction, found):
            return f"{_named(placed)} may have been applied in part: it changes {table}"
    return ""


def _why_not_whole(transaction: IndexedTransaction, found: TablesFound, *, is_mariadb: bool) -> str:
    if table := _foreign_table(transaction, found):
        return f"it changes {table}"
    if transaction.statement.startswith("XA"):
        return "it is part of an XA transaction"
    # MySQL commits a DDL and the position together, where all it changes is of InnoDB.
    if transaction.ddl and (is_mariadb or found.has_foreign):
        return f"it is {transaction.statement[:80]}"
    return ""


def _foreign_table(transaction: IndexedTransaction, found: TablesFound) -> str:
    names = {each.name for each in transaction.tables} & found.foreign
    if names:
        return f"{min(names)}, which is not of InnoDB"
    by_statement = transaction.statement and not transaction.tables and not transaction.ddl
    if by_statement and found.has_foreign:
        # Which tables it changes, only the statement itself says.
        return "tables by a statement, and some are not of InnoDB"
    return ""


def _named(placed: PlacedTransaction) -> str:
    return placed.transaction.gtid or f"{placed.file}:{placed.transaction.start}"
