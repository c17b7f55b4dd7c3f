"""How is a restore test requested, and to which moment does it go?

The moment is drawn once, and is among the job's parameters: whoever runs the job, or runs it
again, goes to the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backups.binlog_archive.recovery.coverage import ranges_of
from backups.binlog_archive.recovery.drawn import (
    DrawnMoment,
    MomentSpan,
    draw_moment,
    newest_moment,
)
from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.binlog_archive.recovery.starts import choose_copy
from backups.catalog.evidence import without_faults
from backups.catalog.preferred import first_to_read
from backups.exceptions import MooringError, Refused
from backups.health.usable import usable_copies, whole_copies
from backups.jobs.request import create_copy_job
from backups.models import BackupCopy, BinlogArchive, Instance, Job, Occurrence
from backups.parameters import RestoreTestParameters
from backups.states import DrillPoint, Operation

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Below = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class WantedTest:
    """What is tested: a copy, or whichever of an instance leads to the moment."""

    instance: Instance
    point: DrillPoint = DrillPoint.BACKUP
    # None: the one that a restore would be from.
    copy: BackupCopy | None = None
    repository: str | None = None
    mysqld: str = ""
    # None: a person requests it.
    occurrence: Occurrence | None = None


def create_restore_test_job(
    wanted: WantedTest,
    *,
    requested_by: User | None = None,
    wake: bool = True,
    below: Below = secrets.randbelow,
) -> Job:
    """Request a restore test, or raise Refused where there is nothing to test."""
    drawn, why_not = None, None
    if wanted.point is not DrillPoint.BACKUP:
        drawn, why_not = _draw(wanted, below)
    copy = wanted.copy or _choose(wanted, drawn)
    parameters = RestoreTestParameters(
        wanted.mysqld,
        None if wanted.point is DrillPoint.BACKUP else wanted.point.value,
        until=drawn.moment.isoformat() if drawn is not None else None,
        range_from=drawn.span.from_at.isoformat() if drawn is not None else None,
        range_to=drawn.span.to_at.isoformat() if drawn is not None else None,
        not_replayed=why_not,
    )
    return create_copy_job(
        Operation.RESTORE_TEST,
        copy,
        parameters=parameters,
        requested_by=requested_by,
        occurrence=wanted.occurrence,
        wake=wake,
    )


def _draw(wanted: WantedTest, below: Below) -> tuple[DrawnMoment | None, str | None]:
    """Return a moment, or why the backup is tested alone."""
    archive = BinlogArchive.objects.filter(instance=wanted.instance).first()
    if archive is None:
        return None, "the instance has no binlog archive"
    spans = _spans(wanted, archive)
    newest = wanted.point is DrillPoint.NEWEST
    drawn = newest_moment(spans) if newest else draw_moment(spans, below)
    if drawn is not None:
        return drawn, None
    if wanted.copy is not None:
        return None, f"no archived transaction follows {wanted.copy.backup.label} without a gap"
    return None, archive.not_recoverable or "no transaction after a backup is archived yet"


def _spans(wanted: WantedTest, archive: BinlogArchive) -> list[MomentSpan]:
    """Return what is recoverable, by what was received: later moments may still get transactions.

    With a copy, only what follows its backup.
    """
    spans = []
    # Computed now: a piece may have expired, or a backup been purged, since the rows were.
    for found in ranges_of(wanted.instance):
        start, end = found.oldest.ended_at, found.to_at
        if wanted.copy is not None:
            start = wanted.copy.backup.ended_at
            if not found.oldest.ended_at <= start <= end:
                continue
        if found.open and wanted.point is DrillPoint.NEWEST:
            end = max(filter(None, (end, archive.last_commit_at)))
        spans.append(MomentSpan(start, end))
    return spans


def _choose(wanted: WantedTest, drawn: DrawnMoment | None) -> BackupCopy:
    """Return the copy that a restore to the moment would read, or the newest."""
    if drawn is not None:
        goal = RecoveryGoal(drawn.moment)
        try:
            return choose_copy(wanted.instance, goal, wanted.repository)
        except MooringError:
            # Recoverable by its range, and not by the plan, or its pieces cannot be read: the job's
            # own check of the same records that, where it is seen.
            return _newest(wanted, drawn)
    return _newest(wanted, None)


def _newest(wanted: WantedTest, drawn: DrawnMoment | None) -> BackupCopy:
    copies = without_faults(whole_copies(usable_copies()))
    copies = copies.filter(backup__instance=wanted.instance)
    if wanted.repository is not None:
        copies = copies.filter(repository__name=wanted.repository)
    if drawn is not None:
        copies = copies.filter(backup__ended_at__lte=drawn.moment)
    newest = copies.select_related("backup__instance", "repository")
    copy = newest.order_by("-backup__ended_at", "pk").first()
    if copy is not None:
        copy = first_to_read(copy, newest.filter(backup=copy.backup))
    if copy is None:
        where = f" in {wanted.repository}" if wanted.repository else ""
        raise Refused(
            f"{wanted.instance.name} has no backup{where} that can be restored",
            hint="Take a backup first.",
        )
    return copy
