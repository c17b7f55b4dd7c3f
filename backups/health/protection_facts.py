"""Which rows decide how protected instances are? A constant number of queries per batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, NullIf

from backups.exceptions import BadInput
from backups.health.usable import lasting_copies, usable_copies, whole_copies
from backups.models import (
    Backup,
    BackupAncestor,
    BackupCopy,
    BackupSchedule,
    Evidence,
    Instance,
    Job,
    ObservedHistory,
    Occurrence,
    Repository,
    WantedCopy,
)
from backups.models.catalog import Origin
from backups.models.heartbeat import HistoryVerdict
from backups.models.job import WITHOUT_RESULT
from backups.models.schedule import PREDECESSORS
from backups.protection import OLDEST_FULL, Cover, ProtectionFacts, Slip
from backups.schedule import Rhythm, only_full, preview, reached
from backups.states import (
    AUTO,
    CHOSEN_KINDS,
    OPEN_OCCURRENCE_STATUSES,
    TERMINAL_JOB_STATUSES,
    BackupKind,
    CopyStatus,
    OccurrenceStatus,
    Operation,
    WaitReason,
)
from backups.units import format_count

# An older irregular run is no longer relevant: later runs have followed.
SLIPS_COUNT = timedelta(days=8)
# A week of a daily schedule, so that weekends are included.
TIMES_COMPARED = 8
_PATHS: Mapping[str, str] = {
    "instances": "instance",
    "groups": "instancegroup__instances",
    "tags": "tag__instances",
}
_BAD = {
    OccurrenceStatus.MISSED: "was missed",
    OccurrenceStatus.FAILED: "failed",
    OccurrenceStatus.REFUSED: "was refused",
}


Schedules = Mapping[int, Sequence[BackupSchedule]]


class InstanceRows(NamedTuple):
    """One instance, its newest restorable backups, and how its last backup job ended."""

    pk: int
    enabled: bool
    unreachable_since: datetime | None
    unreachable_reason: str
    newest_id: int | None
    full_at: datetime | None
    incremental_at: datetime | None
    differential_at: datetime | None
    last_job_id: int | None
    last_run: str | None
    shared_disk: str | None


def restorable_backups() -> QuerySet[Backup]:
    """Return the backups with a usable copy, managed or observed, the newest first.

    Those of chosen tables are none of them: they bring no instance back.
    One that is marked for deletion is none of them: no green light rests on it.
    """
    stored = lasting_copies().filter(backup=OuterRef("pk"))
    whole = Backup.objects.exclude(kind__in=CHOSEN_KINDS)
    candidates = whole.filter(Exists(stored) | Q(origin=Origin.OBSERVED))
    return candidates.order_by("-ended_at", "-id")


def find_candidates(ids: Sequence[int]) -> list[InstanceRows]:
    """Load the newest rows of each instance, whatever the length of its history."""
    restorable = restorable_backups().filter(instance=OuterRef("pk"))
    full = restorable.filter(kind=BackupKind.FULL)
    # One by one: each is found by index.
    incremental = restorable.filter(kind=BackupKind.INCREMENTAL)
    differential = restorable.filter(kind=BackupKind.DIFFERENTIAL)
    ended = (
        Job.objects.filter(
            instance=OuterRef("pk"),
            operation=Operation.BACKUP,
            status__in=TERMINAL_JOB_STATUSES,
        )
        .exclude(WITHOUT_RESULT)
        .exclude(kind__in=CHOSEN_KINDS)
        .order_by("-id")
    )
    rows = Instance.objects.filter(pk__in=ids).annotate(
        newest_id=Subquery(restorable.values("pk")[:1]),
        full_at=Subquery(full.values("ended_at")[:1]),
        incremental_at=Subquery(incremental.values("ended_at")[:1]),
        differential_at=Subquery(differential.values("ended_at")[:1]),
        last_job_id=Subquery(ended.values("pk")[:1]),
        last_run=Subquery(ended.values("status")[:1]),
        shared_disk=Subquery(_on_its_disk().values("name")[:1]),
    )
    return [InstanceRows(*row) for row in rows.order_by("pk").values_list(*InstanceRows._fields)]


def _on_its_disk() -> QuerySet[Repository]:
    """Return the repositories with copies of an instance that are on the disk of its data."""
    # Nested, not joined: a plan that begins with all copies of a repository would read them all.
    copies = BackupCopy.objects.filter(
        status=CopyStatus.STORED, backup=OuterRef("pk"), repository=OuterRef(OuterRef("pk"))
    )
    backups = Backup.objects.filter(Exists(copies), instance=OuterRef(OuterRef("pk")))
    return Repository.objects.filter(Exists(backups), device=OuterRef("data_device"))


def gather_facts(
    candidates: Sequence[InstanceRows], schedules: Schedules, now: datetime
) -> dict[int, ProtectionFacts]:
    """Return the facts by instance; ``schedules`` is the result of ``schedules_of``."""
    ids = [candidate.pk for candidate in candidates]
    covers = {pk: covers_of(schedules[pk], now) for pk in ids}
    slips, faults = _slips(ids, now), _history_faults(ids)
    failed = _failed_proofs([possible.newest_id for possible in candidates if possible.newest_id])
    proven, unusable, missing = _proven(ids), _unusable(ids), _missing(ids)
    return {
        candidate.pk: ProtectionFacts(
            now=now,
            enabled=candidate.enabled,
            covers=covers[candidate.pk],
            last_full_at=candidate.full_at,
            last_run=candidate.last_run or "",
            slips=slips[candidate.pk],
            failed_proofs=failed[candidate.pk],
            proven_at=proven.get(candidate.pk),
            unusable_copies=unusable.get(candidate.pk, ""),
            missing_copies=missing.get(candidate.pk, ""),
            shared_disk=candidate.shared_disk or "",
            history_fault=faults.get(candidate.pk, ""),
            unreachable=candidate.unreachable_reason if candidate.unreachable_since else "",
        )
        for candidate in candidates
    }


def next_run(schedules: Sequence[BackupSchedule]) -> datetime | None:
    """Return when the next of these schedules is due."""
    return min(
        (schedule.next_due_at for schedule in schedules if schedule.next_due_at), default=None
    )


def schedules_of(ids: Sequence[int]) -> dict[int, list[BackupSchedule]]:
    """Return the enabled schedules of backups that have runs for each instance, by name."""
    backing_up = BackupSchedule.objects.filter(enabled=True, operation=Operation.BACKUP)
    general = list(backing_up.filter(covers_all=True))
    ties: dict[int, set[int]] = {pk: {schedule.pk for schedule in general} for pk in ids}
    for field, path in _PATHS.items():
        through = getattr(BackupSchedule, field).through
        rows = through.objects.filter(**{f"{path}__in": ids})
        for schedule_id, instance_id in rows.values_list("backupschedule", path):
            ties[instance_id].add(schedule_id)
    wanted = set().union(*ties.values()) if ties else set()
    enabled = backing_up.select_related(PREDECESSORS)
    schedules = enabled.in_bulk(list(wanted))
    after = {pk: schedule.after_id for pk, schedule in schedules.items()}
    return {
        pk: sorted(
            (schedules[n] for n in reached(numbers & schedules.keys(), after)),
            key=lambda s: s.name,
        )
        for pk, numbers in ties.items()
    }


def covers_of(schedules: Iterable[BackupSchedule], now: datetime) -> list[Cover]:
    """Return how these schedules cover an instance: those of chosen tables do not."""
    return [_cover_of(each, now) for each in schedules if not each.kinds <= set(CHOSEN_KINDS)]


def _cover_of(schedule: BackupSchedule, now: datetime) -> Cover:
    return Cover(
        name=schedule.name,
        makes_full=BackupKind.FULL in schedule.kinds,
        observed=schedule.origin == Origin.OBSERVED,
        paused=schedule.paused(now),
        longest_wait=longest_wait_for_full(schedule, now),
    )


def longest_wait_for_full(schedule: BackupSchedule, now: datetime) -> timedelta:
    """Return the longest time between two full backups, planned or at the end of a chain."""
    if schedule.full_cron:
        return longest_gap(schedule, now, only_full(schedule.rhythm)) + schedule.window
    gap = longest_gap(schedule, now)
    chain = gap * settings.MOST_LINKS
    if schedule.kind == AUTO:
        gap += min(timedelta(days=settings.AUTO_FULL_DAYS), chain)
    elif schedule.kind == BackupKind.INCREMENTAL and schedule.origin == Origin.MANAGED:
        gap += chain
    return gap + schedule.window


def longest_gap(schedule: BackupSchedule, now: datetime, rhythm: Rhythm | None = None) -> timedelta:
    """Return the longest interval between two of the next runs, such as over a weekend."""
    try:
        times = [due.at for due in preview(rhythm or schedule.rhythm, now, TIMES_COMPARED)]
    except BadInput:
        # Its time zone is no longer known: that is reported where it is planned. Only this
        # schedule is judged by the rule for those without a rhythm.
        times = []
    gaps = [later - sooner for sooner, later in pairwise(times)]
    return max(gaps, default=OLDEST_FULL)


def _slips(ids: Sequence[int], now: datetime) -> Mapping[int, list[Slip]]:
    """Find irregular planned runs that no later successful run has made up for."""
    waiting = Q(status__in=OPEN_OCCURRENCE_STATUSES) & (
        Q(late_at__isnull=False) | Q(reason=WaitReason.INSTANCE_UNREACHABLE)
    )
    bad = Occurrence.objects.filter(
        Q(status__in=_BAD) | waiting,
        instance__in=ids,
        due_at__gte=now - SLIPS_COUNT,
        schedule__operation=Operation.BACKUP,
    ).select_related("schedule")
    newest = {
        (occurrence.instance_id, occurrence.schedule_id): occurrence
        for occurrence in bad.order_by("due_at")
    }
    good = _newest_good(set(newest), now)
    slips: defaultdict[int, list[Slip]] = defaultdict(list)
    for key, occurrence in newest.items():
        if occurrence.schedule.enabled and not (key in good and good[key] > occurrence.due_at):
            slips[occurrence.instance_id].append(Slip(occurrence.schedule.name, _how(occurrence)))
    return slips


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
    return "unreachable" if occurrence.reason == WaitReason.INSTANCE_UNREACHABLE else "is late"


def _history_faults(ids: Sequence[int]) -> dict[int, str]:
    rows = ObservedHistory.objects.filter(instance__in=ids).exclude(verdict=HistoryVerdict.READ)
    watched = rows.exclude(instance__history_tool="")
    return {row.instance_id: row.detail or row.get_verdict_display().lower() for row in watched}


def _failed_proofs(backups: Sequence[int]) -> Mapping[int, list[str]]:
    """Name by instance the proofs that failed, of these backups and of what they need."""
    needed = BackupAncestor.objects.filter(backup__in=backups).values("ancestor")
    last = (
        Evidence.objects.current()
        .filter(Q(copy__backup__in=backups) | Q(copy__backup__in=needed))
        .order_by()
        .values("copy", "operation")
        .annotate(newest=Max("id"))
    )
    failed = Evidence.objects.filter(pk__in=[row["newest"] for row in last], passed=False)
    failures: defaultdict[int, list[str]] = defaultdict(list)
    rows = failed.values_list("copy__backup__instance", "operation", "copy__status")
    for instance, operation, status in rows.order_by("-operation"):
        if status != CopyStatus.STORED:
            continue
        name = Operation(operation).label.lower()
        if name not in failures[instance]:
            failures[instance].append(name)
    return failures


def _proven(ids: Sequence[int]) -> dict[int, datetime]:
    # Of these instances: the chains of all others are not looked at.
    usable = whole_copies(lasting_copies()).filter(backup__instance__in=ids)
    rows = Evidence.objects.current().filter(passed=True, copy__in=usable).order_by()
    newest = rows.values("copy__backup__instance").annotate(at=Max("created_at"))
    return {row["copy__backup__instance"]: row["at"] for row in newest}


def _unusable(ids: Sequence[int]) -> dict[int, str]:
    """Return by instance how many stored copies are unusable, with one of the reasons."""
    stored = BackupCopy.objects.filter(status=CopyStatus.STORED, backup__instance__in=ids)
    usable = usable_copies().filter(backup__instance__in=ids)
    bad = stored.exclude(pk__in=usable.values("pk")).order_by()
    reason = Coalesce(
        NullIf(F("repository__fault"), Value("")),
        NullIf(F("fault_detail"), Value("")),
        NullIf(F("key_fault"), Value("")),
        Value("a backup they need cannot be read"),
    )
    rows = bad.values("backup__instance").annotate(count=Count("pk"), reason=Max(reason))
    return {
        row["backup__instance"]: f"{row['count']} stored copies cannot be read: {row['reason']}"
        for row in rows
    }


def _missing(ids: Sequence[int]) -> dict[int, str]:
    """Return by instance how many backups have no copy where one failed."""
    failed = WantedCopy.objects.still_wanted().filter(backup__instance__in=ids).exclude(error="")
    counted = failed.order_by().values("backup__instance", "repository__name")
    missing: defaultdict[int, list[str]] = defaultdict(list)
    for row in counted.annotate(count=Count("pk")).order_by("repository__name"):
        backups = format_count(row["count"], "backup")
        missing[row["backup__instance"]].append(
            f"{backups} without a copy in {row['repository__name']}"
        )
    return {pk: "; ".join(words) for pk, words in missing.items()}
