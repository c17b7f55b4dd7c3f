"""What do the rows say of some instances' protection? As many queries for one as for hundreds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, NullIf

from backups.models import (
    Backup,
    BackupCopy,
    BackupSchedule,
    Evidence,
    Instance,
    Job,
    ObservedHistory,
    Occurrence,
)
from backups.models.catalog import Origin
from backups.models.heartbeat import HistoryVerdict
from backups.protection import OLDEST_FULL, Cover, ProtectionFacts, Slip
from backups.schedule import preview
from backups.states import (
    OPEN_OCCURRENCE_STATUSES,
    TERMINAL_JOB_STATUSES,
    BackupKind,
    CopyStatus,
    JobStatus,
    OccurrenceStatus,
    Operation,
    WaitReason,
)

# A run that slipped longer ago than this has been overtaken by others.
SLIPS_COUNT = timedelta(days=8)
# A week of a rhythm that comes once a day: weekends are in it.
SLOTS_COMPARED = 8
_PATHS: Mapping[str, str] = {
    "instances": "instance",
    "groups": "instancegroup__instances",
    "tags": "tag__instances",
}
_BAD = {OccurrenceStatus.MISSED: "was missed", OccurrenceStatus.FAILED: "failed"}


Schedules = Mapping[int, Sequence[BackupSchedule]]


class Candidate(NamedTuple):
    """One instance, what it can be restored from, and how its last backup job ended."""

    pk: int
    enabled: bool
    unreachable_since: datetime | None
    unreachable_reason: str
    newest_id: int | None
    full_at: datetime | None
    last_job_id: int | None
    last_run: str | None


def usable_copies() -> QuerySet[BackupCopy]:
    """Return the copies a restore could read now, as far as the last checks know."""
    return BackupCopy.objects.filter(
        status=CopyStatus.STORED, fault="", key_fault="", repository__fault=""
    )


def restorable_backups() -> QuerySet[Backup]:
    """Return the backups that can be read somewhere, ours or observed ones, the newest first."""
    stored = usable_copies().filter(backup=OuterRef("pk"))
    found = Backup.objects.filter(Exists(stored) | Q(origin=Origin.OBSERVED))
    return found.order_by("-ended_at", "-id")


def find_candidates(ids: Sequence[int]) -> list[Candidate]:
    """Look at the newest rows of each instance, however long its history is."""
    restorable = restorable_backups().filter(instance=OuterRef("pk"))
    full = restorable.filter(kind=BackupKind.FULL)
    # A cancelled one says nothing, and must not hide the failure before it.
    ended = Job.objects.filter(
        instance=OuterRef("pk"),
        operation=Operation.BACKUP,
        status__in=TERMINAL_JOB_STATUSES - {JobStatus.CANCELLED},
    ).order_by("-id")
    rows = Instance.objects.filter(pk__in=ids).annotate(
        newest_id=Subquery(restorable.values("pk")[:1]),
        full_at=Subquery(full.values("ended_at")[:1]),
        last_job_id=Subquery(ended.values("pk")[:1]),
        last_run=Subquery(ended.values("status")[:1]),
    )
    return [Candidate(*row) for row in rows.order_by("pk").values_list(*Candidate._fields)]


def gather_facts(
    candidates: Sequence[Candidate], schedules: Schedules, now: datetime
) -> dict[int, ProtectionFacts]:
    """Return the facts by instance; ``schedules`` are what ``schedules_of`` says of them."""
    ids = [each.pk for each in candidates]
    covers = {s.pk: _cover(s, now) for found in schedules.values() for s in found}
    slips, faults = _slips(ids, now), _history_faults(ids)
    failed = _failed_proofs({each.newest_id: each.pk for each in candidates if each.newest_id})
    proven, unusable = _proven(ids), _unusable(ids)
    return {
        each.pk: ProtectionFacts(
            now=now,
            enabled=each.enabled,
            covers=[covers[schedule.pk] for schedule in schedules[each.pk]],
            last_full_at=each.full_at,
            last_run=each.last_run or "",
            slips=slips[each.pk],
            failed_proofs=failed[each.pk],
            proven_at=proven.get(each.pk),
            unusable_copies=unusable.get(each.pk, ""),
            history_fault=faults.get(each.pk, ""),
            unreachable=each.unreachable_reason if each.unreachable_since else "",
        )
        for each in candidates
    }


def next_run(schedules: Sequence[BackupSchedule]) -> datetime | None:
    """Return when the next of these schedules is due."""
    return min((each.next_due_at for each in schedules if each.next_due_at), default=None)


def schedules_of(ids: Sequence[int]) -> dict[int, list[BackupSchedule]]:
    """Return the enabled schedules that cover each instance, by name."""
    general = list(BackupSchedule.objects.filter(enabled=True, covers_all=True))
    ties: dict[int, set[int]] = {pk: {schedule.pk for schedule in general} for pk in ids}
    for field, path in _PATHS.items():
        through = getattr(BackupSchedule, field).through
        found = through.objects.filter(**{f"{path}__in": ids})
        for schedule_id, instance_id in found.values_list("backupschedule", path):
            ties[instance_id].add(schedule_id)
    wanted = set().union(*ties.values()) if ties else set()
    schedules = BackupSchedule.objects.filter(enabled=True).in_bulk(list(wanted))
    return {
        pk: sorted((schedules[n] for n in numbers if n in schedules), key=lambda s: s.name)
        for pk, numbers in ties.items()
    }


def _cover(schedule: BackupSchedule, now: datetime) -> Cover:
    return Cover(
        name=schedule.name,
        makes_full=schedule.kind == BackupKind.FULL,
        observed=schedule.origin == Origin.OBSERVED,
        paused=schedule.paused(now),
        longest_wait=longest_gap(schedule, now) + schedule.window,
    )


def longest_gap(schedule: BackupSchedule, now: datetime) -> timedelta:
    """Return the longest there is between two of the next runs: over a weekend, say."""
    slots = [slot.at for slot in preview(schedule.rhythm, now, SLOTS_COMPARED)]
    gaps = [later - sooner for sooner, later in pairwise(slots)]
    return max(gaps, default=OLDEST_FULL)


def _slips(ids: Sequence[int], now: datetime) -> Mapping[int, list[Slip]]:
    """Find planned runs that did not go as planned, and that no later one has made good."""
    waiting = Q(status__in=OPEN_OCCURRENCE_STATUSES) & (
        Q(late_at__isnull=False) | Q(reason=WaitReason.INSTANCE_AWAY)
    )
    bad = Occurrence.objects.filter(
        Q(status__in=_BAD) | waiting, instance__in=ids, due_at__gte=now - SLIPS_COUNT
    ).select_related("schedule")
    newest = {(each.instance_id, each.schedule_id): each for each in bad.order_by("due_at")}
    good = _newest_good(set(newest), now)
    found: defaultdict[int, list[Slip]] = defaultdict(list)
    for key, each in newest.items():
        if each.schedule.enabled and not (key in good and good[key] > each.due_at):
            found[each.instance_id].append(Slip(each.schedule.name, _how(each)))
    return found


def _newest_good(pairs: set[tuple[int, int]], now: datetime) -> dict[tuple[int, int], datetime]:
    if not pairs:
        return {}
    rows = Occurrence.objects.filter(
        status=OccurrenceStatus.SUCCEEDED,
        instance__in={instance for instance, _ in pairs},
        schedule__in={schedule for _, schedule in pairs},
        due_at__gte=now - SLIPS_COUNT,
    ).order_by()
    newest = rows.values("instance", "schedule").annotate(at=Max("due_at"))
    return {(row["instance"], row["schedule"]): row["at"] for row in newest}


def _how(occurrence: Occurrence) -> str:
    if occurrence.status in _BAD:
        return _BAD[OccurrenceStatus(occurrence.status)]
    return "away" if occurrence.reason == WaitReason.INSTANCE_AWAY else "is late"


def _history_faults(ids: Sequence[int]) -> dict[int, str]:
    rows = ObservedHistory.objects.filter(instance__in=ids).exclude(verdict=HistoryVerdict.READ)
    watched = rows.exclude(instance__history_tool="")
    return {row.instance_id: row.detail or row.get_verdict_display().lower() for row in watched}


def _failed_proofs(owners: Mapping[int, int]) -> Mapping[int, list[str]]:
    """Name by instance the proofs that failed; ``owners`` maps its newest backup to it."""
    last = (
        Evidence.objects.current()
        .filter(copy__backup__in=owners)
        .order_by()
        .values("copy", "operation")
        .annotate(newest=Max("id"))
    )
    failed = Evidence.objects.filter(pk__in=[row["newest"] for row in last], passed=False)
    found: defaultdict[int, list[str]] = defaultdict(list)
    rows = failed.values_list("copy__backup", "operation", "copy__status").order_by("-operation")
    for backup, operation, status in rows:
        if status != CopyStatus.STORED:
            continue
        name = Operation(operation).label.lower()
        if name not in found[owners[backup]]:
            found[owners[backup]].append(name)
    return found


def _proven(ids: Sequence[int]) -> dict[int, datetime]:
    rows = Evidence.objects.current().filter(passed=True, copy__in=usable_copies())
    rows = rows.filter(copy__backup__instance__in=ids).order_by()
    newest = rows.values("copy__backup__instance").annotate(at=Max("created_at"))
    return {row["copy__backup__instance"]: row["at"] for row in newest}


def _unusable(ids: Sequence[int]) -> dict[int, str]:
    """Say of each instance how many stored copies no restore could read now, with one reason."""
    stored = BackupCopy.objects.filter(status=CopyStatus.STORED, backup__instance__in=ids)
    bad = stored.exclude(pk__in=usable_copies().values("pk")).order_by()
    reason = Coalesce(
        NullIf(F("repository__fault"), Value("")),
        NullIf(F("fault_detail"), Value("")),
        F("key_fault"),
    )
    rows = bad.values("backup__instance").annotate(count=Count("pk"), reason=Max(reason))
    return {
        row["backup__instance"]: f"{row['count']} stored copies cannot be read: {row['reason']}"
        for row in rows
    }
