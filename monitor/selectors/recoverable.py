"""From when to when are instances recoverable to any moment, with their archived binlogs?

Reads the rows that a tick keeps current, in two queries for any number of instances.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from backups.binlog_archive.recovery.coverage import recoverable_to
from backups.models import BinlogArchive, RecoverableRange


@dataclass(frozen=True, slots=True)
class RecoverableSpan:
    """From one moment to another, as a page shows it."""

    from_at: datetime
    to_at: datetime
    ends_because: str


@dataclass(frozen=True, slots=True)
class Recoverability:
    """What the binlog archive of an instance makes recoverable."""

    enabled: bool
    # The one that leads to the present; None: there is none, for this reason.
    present: RecoverableSpan | None
    why_not: str
    # The others, the newest first.
    earlier: Sequence[RecoverableSpan]

    @property
    def newest(self) -> RecoverableSpan | None:
        """The one that leads furthest."""
        return self.present or (self.earlier[0] if self.earlier else None)


def load_recoverability(ids: Collection[int]) -> dict[int, Recoverability]:
    """Return it for each of these instances that has an archive."""
    archives = {
        archive.instance_id: archive for archive in BinlogArchive.objects.filter(instance__in=ids)
    }
    if not archives:
        return {}
    spans: defaultdict[int, list[RecoverableSpan]] = defaultdict(list)
    present: dict[int, RecoverableSpan] = {}
    rows = RecoverableRange.objects.filter(instance__in=ids).order_by("-to_at")
    for row in rows:
        archive = archives.get(row.instance_id)
        if archive is None:
            continue
        to_at = recoverable_to(archive, row)
        span = RecoverableSpan(row.from_at, to_at, row.ends_because)
        if row.open:
            present[row.instance_id] = span
        else:
            spans[row.instance_id].append(span)
    return {
        pk: Recoverability(archive.enabled, present.get(pk), archive.not_recoverable, spans[pk])
        for pk, archive in archives.items()
    }
