"""Which rows decide whether the controls of an instance were met?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from backups.evidence_report.controls import ControlFacts, GuardedRepository, KeptBackup
from backups.evidence_report.period import Period
from backups.health.protection_facts import Schedules, longest_gap
from backups.health.spread_rows import spread_of
from backups.models import Backup, BackupCopy, Deletion, Evidence, Instance, Repository
from backups.protection import OLDEST_FULL
from backups.states import CHOSEN_KINDS, CopyStatus, DeletionStatus, Operation


@dataclass(frozen=True, slots=True)
class Demands:
    """What is demanded of every instance of a report."""

    drilled_within: timedelta = timedelta(days=35)
    # None: as its schedules plan.
    at_least_every: timedelta | None = None


def control_facts(
    instance: Instance, period: Period, now: datetime, demands: Demands, schedules: Schedules
) -> ControlFacts:
    """Read what the controls of one instance are judged by."""
    at = period.judged_at(now)
    whole = Backup.objects.filter(instance=instance, ended_at__lt=at).exclude(kind__in=CHOSEN_KINDS)
    before = whole.filter(ended_at__lt=period.since).order_by("-ended_at").values_list("ended_at")
    ends = whole.filter(ended_at__gte=period.since).order_by("ended_at").values_list("ended_at")
    mine = [each for each in schedules[instance.pk] if each.kinds - set(CHOSEN_KINDS)]
    planned = min((longest_gap(each, now) + each.window for each in mine), default=OLDEST_FULL)
    spread = spread_of([instance], now, schedules)[instance.pk]
    return ControlFacts(
        since=period.since,
        at=at,
        backups_at=[row[0] for row in (*before[:1], *ends)],
        known_since=instance.created_at,
        longest_gap=demands.at_least_every or planned,
        drilled_within=demands.drilled_within,
        backups=_kept(instance, period, at),
        repositories=_guarded(instance),
        drilled_at=_drilled_at(instance, at),
        spread=[(answer.wanted, answer.met, answer.found) for answer in spread],
        scheduled=bool(mine),
    )


def _kept(instance: Instance, period: Period, at: datetime) -> Sequence[KeptBackup]:
    """Return the backups that ended in the period, and those deleted in it."""
    deletions = Deletion.objects.filter(
        copy__backup__instance=instance,
        status=DeletionStatus.DELETED,
        status_since__gte=period.since,
        status_since__lt=at,
    )
    deleted = set(deletions.values_list("copy__backup", flat=True))
    ended = Q(ended_at__gte=period.since, ended_at__lt=at)
    backups = (
        Backup.objects.filter(ended | Q(pk__in=deleted), instance=instance)
        .select_related("made_by__occurrence__schedule")
        .prefetch_related("copies")
    )
    return [_kept_backup(backup, at) for backup in backups.order_by("ended_at", "pk")]


def _kept_backup(backup: Backup, at: datetime) -> KeptBackup:
    copies = list(backup.copies.all())
    gone = [copy.status_since for copy in copies if copy.status == CopyStatus.PURGED]
    occurrence = backup.made_by.occurrence if backup.made_by else None
    all_gone = bool(copies) and len(gone) == len(copies) and max(gone) < at
    return KeptBackup(
        backup.label,
        backup.ended_at,
        copies=len(copies),
        encrypted=sum(copy.encrypted for copy in copies),
        keep_for=occurrence.schedule.keep_for if occurrence else None,
        gone_at=max(gone) if all_gone else None,
    )


def _guarded(instance: Instance) -> Sequence[GuardedRepository]:
    """Return the repositories that have a copy of the instance now."""
    stored = BackupCopy.objects.filter(backup__instance=instance, status=CopyStatus.STORED)
    rows = Repository.objects.filter(pk__in=stored.values("repository")).order_by("name")
    return [
        GuardedRepository(
            row.name,
            row.purge_delay,
            two_admins=row.two_admins,
            locked=bool(row.lock_mode),
            undeletable_by=row.why_undeletable,
        )
        for row in rows
    ]


def _drilled_at(instance: Instance, at: datetime) -> datetime | None:
    passed = Evidence.objects.filter(
        copy__backup__instance=instance,
        operation=Operation.RESTORE_TEST,
        passed=True,
        created_at__lt=at,
    ).exclude(copy__backup__kind__in=CHOSEN_KINDS)
    return passed.order_by("-created_at").values_list("created_at", flat=True).first()
