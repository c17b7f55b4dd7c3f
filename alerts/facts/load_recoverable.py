"""Up to which moment can instances with a binlog archive be recovered? In two queries."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from backups.binlog_archive.recovery.coverage import recoverable_to
from backups.models import BinlogArchive, RecoverableRange


@dataclass(frozen=True, slots=True)
class Archived:
    """An instance whose binlogs are archived."""

    # None: no range leads to the present.
    recoverable_to: datetime | None


def load_recoverable(ids: Collection[int]) -> dict[int, Archived]:
    """Return it for each of these instances with an enabled archive."""
    spans = {
        row.instance_id: row for row in RecoverableRange.objects.filter(instance__in=ids, open=True)
    }
    return {
        archive.instance_id: Archived(
            recoverable_to(archive, span)
            if (span := spans.get(archive.instance_id)) is not None
            else None
        )
        for archive in BinlogArchive.objects.filter(instance__in=ids, enabled=True)
    }
