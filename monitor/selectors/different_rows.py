"""What is shown of the rows of a table that differ between two backups?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backups.opened_tables.compared_rows import RowDifferences
from backups.opened_tables.merge import AFTER, BEFORE, CHANGED, EQUAL

_TONES = {BEFORE: "bad", AFTER: "ok", CHANGED: "warn"}


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row as one of the backups has it."""

    how: str
    tone: str
    which: str
    # The values, and whether each differs from that of the other backup.
    values: Sequence[tuple[str | None, bool]]
    # Of a row that both have, the second one has no badge.
    is_second: bool = False


@dataclass(frozen=True, slots=True)
class DifferencesView:
    """The rows of a table that differ, and how many there are."""

    found: RowDifferences
    counts: Sequence[tuple[str, int]]
    rows: Sequence[ShownRow]

    @property
    def key_names(self) -> str:
        return ", ".join(self.found.key.names)

    @property
    def hidden(self) -> int:
        return self.found.different - len(self.found.rows)

    @property
    def equal(self) -> int:
        return self.found.counts[EQUAL]

    @property
    def uncompared(self) -> Sequence[tuple[str, str]]:
        """Columns that only one of the backups has, with the word for it."""
        sides = ((self.found.only_before, "earlier"), (self.found.only_after, "later"))
        return [(name, which) for names, which in sides for name in names]


def view_differences(found: RowDifferences) -> DifferencesView:
    """Return what a page shows of compared rows."""
    rows: list[ShownRow] = []
    for row in found.rows:
        sides = [(which, values) for which, values in _sides(row.before, row.after) if values]
        for number, (which, values) in enumerate(sides):
            marked = [(value, at in row.changed) for at, value in enumerate(values)]
            rows.append(ShownRow(row.how, _TONES[row.how], which, marked, is_second=number > 0))
    counts = [(how, count) for how, count in found.counts.items() if how != EQUAL]
    return DifferencesView(found, counts, rows)


_Values = Sequence[str | None] | None


def _sides(before: _Values, after: _Values) -> Sequence[tuple[str, _Values]]:
    return ("earlier", before), ("later", after)
