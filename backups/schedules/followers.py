"""Which chained runs follow a run that has ended, and do they start?

A run that ends is marked in the same statement; here its followers are written and the mark is
removed in one transaction. So each end is followed once by each schedule: after a crash the next
tick finds the mark, and of two ticks the unique key lets one write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from backups.models import BackupSchedule, Occurrence
from backups.models.schedule import AfterRun
from backups.schedule import INSTANT, DueTime, span_of
from backups.schedules.coverage import coverage_of
from backups.schedules.due import OccurrenceBuilder, explain
from backups.schedules.steps import LONGEST_DETAIL
from backups.states import TERMINAL_OCCURRENCE_STATUSES, OccurrenceStatus, WaitReason
from backups.transitions.occurrences import (
    forget_followed,
    move_occurrence,
    record_occurrences,
)

BATCH = 200
# Due times of one instance that are so close to each other differ by microseconds.
CLOSE = timedelta(seconds=1)
# How the run ended that another one follows.
_HOW = {
    OccurrenceStatus.SUCCEEDED: "succeeded",
    OccurrenceStatus.FAILED: "failed",
    OccurrenceStatus.REFUSED: "was refused",
    OccurrenceStatus.MISSED: "was missed",
    OccurrenceStatus.SKIPPED: "was skipped",
    OccurrenceStatus.CANCELLED: "was cancelled",
}


class FollowerVerdict(NamedTuple):
    """The status of a run that follows another, and why it does not start."""

    status: OccurrenceStatus
    detail: str = ""


def judge(status: OccurrenceStatus, reason: str, after_run: AfterRun, name: str) -> FollowerVerdict:
    """Decide about the follower of a run of schedule ``name`` that ended so. Pure.

    A run that a later one replaces is followed by none that starts: the later one is.
    """
    if status is OccurrenceStatus.SUCCEEDED:
        return FollowerVerdict(OccurrenceStatus.DUE)
    if status is OccurrenceStatus.SKIPPED and reason == WaitReason.SUPERSEDED:
        return FollowerVerdict(OccurrenceStatus.SKIPPED, f"a later run replaced that of {name}")
    if after_run == AfterRun.ENDED:
        return FollowerVerdict(OccurrenceStatus.DUE)
    # Skipped and cancelled are decisions of a person: nothing is missing that was expected.
    wanted = status not in (OccurrenceStatus.SKIPPED, OccurrenceStatus.CANCELLED)
    detail = f"waits for {name}, which {_HOW[status]}"
    return FollowerVerdict(OccurrenceStatus.MISSED if wanted else OccurrenceStatus.SKIPPED, detail)


def plan_followers(now: datetime, down_since: datetime | None = None) -> int:
    """Plan what follows every run that has ended; return how many runs were planned."""
    planned = 0
    while True:
        marked = Occurrence.objects.filter(unfollowed=True).order_by("id")
        batch = list(marked.values_list("pk", flat=True)[:BATCH])
        if not batch:
            return planned
        with transaction.atomic():
            rows = Occurrence.objects.select_for_update(of=("self",), skip_locked=True)
            rows = rows.filter(pk__in=batch, unfollowed=True)
            ended = list(rows.select_related("schedule", "instance").order_by("ended_at", "id"))
            if not ended:
                # Another tick has them.
                return planned
            planned += _Planner.load(ended, now, explain(now, down_since)).plan()
            forget_followed(ended)


@dataclass(frozen=True, slots=True)
class _Planner:
    """Plans the followers of one batch; everything it needs is read at once."""

    ended: Sequence[Occurrence]
    followers: Sequence[BackupSchedule]
    # By schedule, the instances it covers now.
    covered: dict[int, set[int]]
    # By schedule and the run that is followed: planned before.
    known: dict[tuple[int, int], Occurrence]
    # By schedule and instance: the due times that exist.
    taken: set[tuple[int, int, datetime]]
    now: datetime
    explanation: str

    @classmethod
    def load(cls, ended: Sequence[Occurrence], now: datetime, explanation: str) -> _Planner:
        over = [run for run in ended if run.status in TERMINAL_OCCURRENCE_STATUSES]
        followers = list(
            BackupSchedule.objects.filter(
                after__in={run.schedule_id for run in over}, enabled=True
            ).order_by("pk")
        )
        coverage = coverage_of(followers)
        runs = Occurrence.objects.filter(schedule__in=followers)
        moments = [run.ended_at or now for run in over] or [now]
        near = runs.filter(
            instance__in={run.instance_id for run in over},
            due_at__range=(min(moments), max(moments) + CLOSE),
        )
        return cls(
            over,
            followers,
            {pk: {instance.pk for instance in instances} for pk, instances in coverage.items()},
            {(run.schedule_id, run.follows_id or 0): run for run in runs.filter(follows__in=over)},
            set(near.values_list("schedule_id", "instance_id", "due_at")),
            now,
            explanation,
        )

    def plan(self) -> int:
        # The newest of each schedule and instance, which alone may catch up.
        newest = {(run.schedule_id, run.instance_id): run.ended_at for run in self.ended}
        fresh: list[Occurrence] = []
        for run in self.ended:
            for schedule in self.followers:
                if schedule.after_id != run.schedule_id:
                    continue
                if run.instance_id not in self.covered[schedule.pk]:
                    continue
                row = self._row(schedule, run, newest[run.schedule_id, run.instance_id])
                before = self.known.get((schedule.pk, run.pk))
                if before is None:
                    fresh.append(row)
                else:
                    self._reopen(before, row)
        record_occurrences(fresh)
        return len(fresh)

    def _row(
        self, schedule: BackupSchedule, run: Occurrence, newest: datetime | None
    ) -> Occurrence:
        due = self._due_time(schedule, run)
        last = due.at if run.ended_at == newest else None
        builder = OccurrenceBuilder(schedule, self.now, last, self.explanation)
        verdict = judge(
            OccurrenceStatus(run.status),
            run.reason,
            AfterRun(schedule.after_run),
            run.schedule.name,
        )
        if verdict.status is OccurrenceStatus.DUE:
            row = builder.of(run.instance, due)
        else:
            row = builder.row(
                run.instance,
                due,
                span_of(due.at, schedule.grace, schedule.window),
                status=verdict.status,
                reason=WaitReason.PREDECESSOR,
                detail=f"{verdict.detail} (due at {run.due_at:%Y-%m-%d %H:%M}Z)"[:LONGEST_DETAIL],
                ended_at=self.now,
            )
        row.follows = run
        return row

    def _due_time(self, schedule: BackupSchedule, run: Occurrence) -> DueTime:
        at = (run.ended_at or self.now).astimezone(UTC)
        # Two runs that ended in one tick have one moment: the due times must differ.
        while (schedule.pk, run.instance_id, at) in self.taken:
            at += INSTANT
        self.taken.add((schedule.pk, run.instance_id, at))
        return DueTime(at, at)

    def _reopen(self, before: Occurrence, row: Occurrence) -> None:
        """An observed run shows in the history after it was missed: its follower may start."""
        waited = before.reason == WaitReason.PREDECESSOR
        if before.status != OccurrenceStatus.MISSED or not waited:
            return
        if row.status == OccurrenceStatus.DUE:
            columns = ("due_at", "starts_at", "late_after", "missed_after", "next_check_at")
            values = {name: getattr(row, name) for name in columns}
            move_occurrence(
                before,
                OccurrenceStatus.DUE,
                now=self.now,
                reason=WaitReason.NONE,
                detail=row.detail,
                ended_at=None,
                **values,
            )
