"""How does an instance stand against its objectives, and what was measured over time?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from backups.models import Drill, Evidence, Instance, Job, ObjectiveDay, ObjectiveStanding
from backups.objectives.rows import standing_of
from backups.states import JobStatus, Operation

# Of each sort of measurement, and of days.
MOST = 60


@dataclass(frozen=True, slots=True)
class MeasuredRecovery:
    """How long one recovery took."""

    at: datetime
    length: timedelta
    # What it was: "restore test", "drill" or "restore".
    sort: str


@dataclass(frozen=True, slots=True)
class ObjectivesView:
    """What the page of an instance shows of its objectives."""

    standing: ObjectiveStanding
    # The oldest first.
    recoveries: Sequence[MeasuredRecovery]
    # Of the days that are over.
    days: Sequence[ObjectiveDay]

    @property
    def has_one(self) -> bool:
        return self.standing.rpo is not None or self.standing.rto is not None


def load_objectives_view(instance: Instance, now: datetime) -> ObjectivesView:
    """Load it, in a constant number of queries."""
    days = list(ObjectiveDay.objects.filter(instance=instance).order_by("-day")[:MOST])
    return ObjectivesView(standing_of(instance, now), list_recoveries(instance), days[::-1])


def list_recoveries(instance: Instance) -> list[MeasuredRecovery]:
    """Return the newest recoveries whose length was measured, the oldest first."""
    measured = [
        MeasuredRecovery(at, length, sort)
        for sort, rows in (
            ("restore test", _tests(instance)), ("drill", _drills(instance)),
            ("restore", _restores(instance)),
        )
        for at, length in rows
    ]  # fmt: skip
    return sorted(measured, key=lambda each: each.at)


def _tests(instance: Instance) -> list[tuple[datetime, timedelta]]:
    rows = Evidence.objects.filter(
        copy__backup__instance=instance,
        operation=Operation.RESTORE_TEST,
        passed=True,
        recovery_time__isnull=False,
        # A drill is counted with what it replayed.
        job__drill__isnull=True,
    )
    columns = rows.order_by("-id").values_list("created_at", "recovery_time")[:MOST]
    return [(at, length) for at, length in columns if length is not None]


def _drills(instance: Instance) -> list[tuple[datetime, timedelta]]:
    rows = Drill.objects.filter(instance=instance, passed=True, recovery_time__isnull=False)
    columns = rows.order_by("-id").values_list("created_at", "recovery_time")[:MOST]
    return [(at, length) for at, length in columns if length is not None]


def _restores(instance: Instance) -> list[tuple[datetime, timedelta]]:
    rows = Job.objects.filter(
        instance=instance,
        operation=Operation.RESTORE,
        status=JobStatus.SUCCEEDED,
        started_at__isnull=False,
        ended_at__isnull=False,
    ).annotate(length=F("ended_at") - F("started_at"))
    columns = rows.order_by("-id").values_list("ended_at", "length")[:MOST]
    return [(at, length) for at, length in columns if at is not None]
