"""Where does an instance lack copies that its backups were to have, and why?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backups.models import Instance, WantedCopy
from backups.units import format_count


@dataclass(frozen=True, slots=True)
class MissingCopies:
    """What one repository lacks."""

    count: int
    # Of the newest backup without a copy there, and why it has none.
    label: str
    reason: str

    def __str__(self) -> str:
        if self.count == 1:
            return f"1 backup lacks a copy: {self.reason}"
        return f"{format_count(self.count, 'backup')} lack a copy, the newest: {self.reason}"


def load_missing_copies(instance: Instance) -> list[WantedCopy]:
    """Return what the instance lacks, of the newest backup first."""
    wanted = WantedCopy.objects.still_wanted().filter(backup__instance=instance)
    return list(wanted.select_related("backup", "repository").order_by("-backup__ended_at", "-id"))


def missing_by_repository(wanted: Sequence[WantedCopy]) -> list[MissingCopies]:
    """Return a row for each repository; the newest backup comes first in ``wanted``."""
    by_repository: dict[int, list[WantedCopy]] = {}
    for row in wanted:
        by_repository.setdefault(row.repository_id, []).append(row)
    return [
        MissingCopies(len(rows), rows[0].backup.label, rows[0].in_words)
        for rows in by_repository.values()
    ]


def missing_by_backup(wanted: Sequence[WantedCopy]) -> Mapping[int, list[str]]:
    """Map backups to the names of the repositories that lack them."""
    by_backup: dict[int, list[str]] = {}
    for row in wanted:
        by_backup.setdefault(row.backup_id, []).append(row.repository.name)
    return by_backup
