"""Which backups can a backup be compared with, and what is shown of a comparison?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.http import QueryDict

from backups.catalog.comparison import HOWS, UNCHANGED, ComparedTable, Comparison, TableKey
from backups.catalog.contents import earlier_backup
from backups.models import Backup, RowComparison
from backups.opened_tables.part import SYSTEM_SCHEMAS
from backups.states import CopyStatus

CHOICES_SHOWN = 200
PAGE_SIZE = 100
# Of lines of a diff; a statement may have thousands of columns.
DIFF_LINES_SHOWN = 200
TONES = {"changed": "warn", "added": "ok", "removed": "bad", "unknown": "unknown"}


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """A compared table as the page shows it."""

    table: ComparedTable
    tone: str
    diff: Sequence[tuple[str, str]]
    hidden_lines: int
    # What is known of its rows, where they were compared.
    rows: RowComparison | None
    # Whether both backups have blocks of it, and it is none of the server's own: its rows can be
    # compared.
    in_both: bool


@dataclass(frozen=True, slots=True)
class ComparedView:
    """One page of a comparison."""

    comparison: Comparison
    # What is shown: one of HOWS, or blank for all that differ or may differ.
    how: str
    search: str
    page: Page[ComparedRow]
    # The query string without its page.
    query: str

    @property
    def newer(self) -> str:
        return f"{self.query}&page={self.page.number - 1}"

    @property
    def older(self) -> str:
        return f"{self.query}&page={self.page.number + 1}"

    @property
    def counts(self) -> Mapping[str, int]:
        return self.comparison.counts

    @property
    def definitions(self) -> Sequence[tuple[str, str, str, Sequence[tuple[str, str]]]]:
        return [
            (each.kind, each.name, each.how, diff_rows(each.diff))
            for each in self.comparison.definitions
        ]


def comparable_with(backup: Backup) -> Sequence[Backup]:
    """Return the other stored backups of its instance, the newest first."""
    stored = Backup.objects.filter(instance=backup.instance_id, copies__status=CopyStatus.STORED)
    others = stored.exclude(pk=backup.pk).distinct().order_by("-ended_at", "-id")
    return list(others[:CHOICES_SHOWN])


def chosen_of(backup: Backup, choices: Sequence[Backup], label: str) -> Backup | None:
    """Return the backup to compare with: the one named, else its base or the one before."""
    if label:
        return next((each for each in choices if each.label == label), None)
    earlier = earlier_backup(backup)
    before = [each for each in choices if each.ended_at <= backup.ended_at]
    return earlier if earlier in choices else next(iter(before or choices), None)


def rows_compared(before: Backup, after: Backup) -> Mapping[TableKey, RowComparison]:
    """Return by table how many rows of two backups differ, where they were compared."""
    found = RowComparison.objects.filter(before=before, after=after)
    return {(each.schema, each.name): each for each in found}


def view_comparison(
    comparison: Comparison, query: QueryDict, compared: Mapping[TableKey, RowComparison]
) -> ComparedView:
    """Return what the query string selects of a comparison; ``compared`` is known of rows."""
    asked, search = query.get("how", ""), query.get("q", "").strip()
    how = asked if asked in HOWS else ""
    tables = [
        each
        for each in comparison.tables
        if (each.how == how if how else each.how != UNCHANGED)
        and search.lower() in each.full_name.lower()
    ]
    rows = Paginator([_row(each, compared) for each in tables], PAGE_SIZE).get_page(
        query.get("page")
    )
    kept = query.copy()
    kept.pop("page", None)
    return ComparedView(comparison, how, search, rows, kept.urlencode())


def _row(table: ComparedTable, compared: Mapping[TableKey, RowComparison]) -> ComparedRow:
    return ComparedRow(
        table,
        TONES.get(table.how, "idle"),
        diff_rows(table.diff),
        max(0, len(table.diff) - DIFF_LINES_SHOWN),
        compared.get((table.schema, table.name)),
        in_both=None not in (table.bytes_before, table.bytes_after)
        and table.schema not in SYSTEM_SCHEMAS,
    )


def diff_rows(diff: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Return lines of a diff with a name for each: added, removed, place or same."""
    names = {"+": "added", "-": "removed", "@": "place"}
    return [(names.get(line[:1], "same"), line) for line in diff[:DIFF_LINES_SHOWN]]
