"""What did one archived transaction do, as far as the reader may see it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from backups.binlog_archive.transactions.browse import Found, InstanceBinlogs
from backups.binlogs.events.changes import Change, StatementChange
from backups.binlogs.index.statements import kept_statement
from backups.binlogs.moments import from_micros
from backups.binlogs.undo.show import shown_row

MOST_LINES = 100
# Rows beyond are not counted: a page does not read gigabytes.
MOST_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class ChangedRows:
    """How many rows of a table were inserted, updated or deleted."""

    table: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class ShownTransaction:
    """A transaction, its rows by table, and lines for its changes."""

    found: Found
    committed_at: datetime
    rows: list[ChangedRows]
    lines: list[str]
    # Whether there is more than was counted or shown.
    more: bool

    @property
    def name(self) -> str:
        return self.found.name


def load_transaction(binlogs: InstanceBinlogs, found: Found, *, values: bool) -> ShownTransaction:
    """Read a transaction's changes; their values only with ``values``."""
    counts: Counter[tuple[str, str]] = Counter()
    lines: list[str] = []
    more = False
    for line in _lines(binlogs.changes(found), counts, values=values):
        if line and len(lines) < MOST_LINES:
            lines.append(line)
        elif line:
            more = True
        if counts.total() >= MOST_ROWS:
            more = True
            break
    rows = [ChangedRows(table, kind, count) for (table, kind), count in counts.items()]
    committed_at = from_micros(found.transaction.commit_micros)
    return ShownTransaction(found, committed_at, rows, lines, more)


def _lines(
    changes: Iterator[Change], counts: Counter[tuple[str, str]], *, values: bool
) -> Iterator[str]:
    """Yield a line per change; blank where only its row counts."""
    for change in changes:
        if isinstance(change, StatementChange):
            yield change.text[:2000] if values else kept_statement(change.text.encode())
        else:
            counts[change.table.name, change.row.kind.value] += 1
            yield shown_row(change) if values else ""
