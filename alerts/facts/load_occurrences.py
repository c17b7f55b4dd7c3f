"""Which planned backups are late, and which were missed?

A fixed number of queries for any number of instances, each by a status index.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from alerts.facts.columns import HORIZON, Belongings, Columns, read_columns
from alerts.facts.run import LateFacts, MissedFacts
from backups.models import Backup, BackupSchedule, Occurrence
from backups.states import (
    AUTO,
    CHOSEN_KINDS,
    LINK_KINDS,
    BackupKind,
    JobStatus,
    OccurrenceStatus,
    Operation,
    WaitReason,
)

_OCCURRENCE = (
    "id", "schedule_id", "instance_id", "due_at", "starts_at", "late_after", "missed_after",
    "reason", "detail", "kind", "schedule__name", "instance__engine",
)  # fmt: skip


def build_late(now: datetime, belongings: Belongings) -> Iterator[LateFacts]:
    """Yield runs that are due and past their grace time, marked by the scheduler or not."""
    waiting = Occurrence.objects.filter(
        # A run whose job has started is not late, even if the scheduler has not noticed; nor is
        # one whose first attempt failed: that has its own alert.
        Q(job=None) | Q(job__status=JobStatus.PENDING),
        status=OccurrenceStatus.DUE,
        attempts__lte=1,
        late_after__lte=now,
        instance__in=list(belongings),
        schedule__operation=Operation.BACKUP,
    )
    newest: dict[tuple[int, int], Columns] = {}
    for row in read_columns(waiting.order_by("due_at", "id"), *_OCCURRENCE):
        newest[row["schedule_id"], row["instance_id"]] = row
    causes = _Causes(newest.values())
    for (schedule, pk), row in newest.items():
        yield LateFacts(
            now=now,
            subject=belongings[pk].subject(
                _run_key(schedule, pk),
                pk,
                name=f"{belongings[pk].name}, {row['schedule__name']}",
                schedule_id=schedule,
                **causes.of(row),
            ),
            # A run that is caught up has a later start; it was still due at its slot.
            due_at=row["due_at"] if row["starts_at"] > row["late_after"] else row["starts_at"],
            late_after=row["late_after"],
            missed_after=row["missed_after"],
            reason=row["reason"],
            detail=row["detail"],
        )


def build_missed(now: datetime, belongings: Belongings) -> Iterator[MissedFacts]:
    """Yield the newest missed run per schedule and instance without a later success."""
    missed = Occurrence.objects.filter(
        status=OccurrenceStatus.MISSED,
        due_at__gte=now - HORIZON,
        instance__in=list(belongings),
        schedule__enabled=True,
        schedule__operation=Operation.BACKUP,
    ).filter(~_has_later_run(), ~_has_later_backup())
    runs: dict[tuple[int, int], list[Columns]] = {}
    for row in read_columns(missed.order_by("-due_at", "-id"), *_OCCURRENCE):
        runs.setdefault((row["schedule_id"], row["instance_id"]), []).append(row)
    causes = _Causes([rows[0] for rows in runs.values()])
    for (schedule, pk), rows in runs.items():
        newest = rows[0]
        yield MissedFacts(
            now=now,
            subject=belongings[pk].subject(
                _run_key(schedule, pk),
                pk,
                name=f"{belongings[pk].name}, {newest['schedule__name']}",
                schedule_id=schedule,
                **causes.of(newest),
            ),
            occurrence_id=newest["id"],
            kind=newest["kind"],
            due_at=newest["due_at"],
            missed_after=newest["missed_after"],
            reason=newest["reason"],
            detail=newest["detail"],
            count=len(rows),
        )


def _has_later_run() -> Q:
    """Whether a later run makes up for it: for a full backup only one that took a full one."""
    later = Occurrence.objects.filter(
        instance=OuterRef("instance"),
        schedule=OuterRef("schedule"),
        status=OccurrenceStatus.SUCCEEDED,
        due_at__gt=OuterRef("due_at"),
    )
    enough = later.exclude(job__kind__in=(*LINK_KINDS, *CHOSEN_KINDS))
    return Q(Exists(later), ~Q(kind=BackupKind.FULL)) | Q(Exists(enough))


def _has_later_backup() -> Q:
    """Whether a backup was started after this run was due, for example manually.

    One of chosen tables may be of others.
    """
    later = Backup.objects.filter(
        instance=OuterRef("instance"),
        ended_at__gt=OuterRef("due_at"),
        started_at__gte=OuterRef("due_at"),
    )
    alike = Q(kind=OuterRef("kind")) & ~Q(kind__in=CHOSEN_KINDS)
    enough = later.filter(alike | Q(kind=BackupKind.FULL))
    incremental = later.filter(kind=BackupKind.INCREMENTAL)
    return Q(Exists(enough)) | Q(Exists(incremental), Q(kind=AUTO))


def _run_key(schedule: int, instance: int) -> str:
    return f"schedule:{schedule}/instance:{instance}"


class _Causes:
    """The shared causes, such as a repository or queue, that planned runs waited for."""

    def __init__(self, rows: Collection[Columns]) -> None:
        schedules = {row["schedule_id"] for row in rows if row["reason"] == WaitReason.REPOSITORY}
        self._repositories: dict[int, set[int]] = {}
        through = BackupSchedule.repositories.through
        links = through._default_manager.filter(backupschedule_id__in=schedules)
        for schedule, repository in links.values_list("backupschedule_id", "repository_id"):
            self._repositories.setdefault(schedule, set()).add(repository)

    def of(self, row: Columns) -> dict[str, int | str | None]:
        if row["reason"] in (WaitReason.NO_WORKER, WaitReason.NOT_CLAIMED):
            return {"cause": "queue:copy"}
        if row["reason"] == WaitReason.SCHEDULER_DOWN:
            return {"cause": "scheduler"}
        if row["reason"] == WaitReason.INSTANCE_UNREACHABLE:
            return {"cause": f"instance:{row['instance_id']}"}
        if row["reason"] != WaitReason.REPOSITORY:
            return {}
        repositories = self._repositories.get(row["schedule_id"], set())
        if len(repositories) != 1:
            return {"cause": f"schedule:{row['schedule_id']}"}
        (repository,) = repositories
        return {"cause": f"repository:{repository}", "repository_id": repository}
