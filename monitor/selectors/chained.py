"""Which schedules does one run after, which run after it, and what follows from that?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Q, QuerySet

from backups.models import BackupSchedule, Instance
from backups.schedule import DueTime
from backups.schedules.coverage import covered_instances

MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class ChainOfSchedules:
    """What precedes a schedule, and what follows it."""

    after: BackupSchedule | None
    # The disabled schedule that keeps it from running.
    stopped_by: BackupSchedule | None
    # Covered instances that get no runs, as a schedule before it does not cover them.
    not_reached_count: int
    not_reached: Sequence[Instance]
    followers: Sequence[BackupSchedule]

    @property
    def shown(self) -> bool:
        return self.after is not None or bool(self.followers)


def load_chain(
    after: BackupSchedule | None, covered: QuerySet[Instance], own: int | None
) -> ChainOfSchedules:
    """Load what a schedule follows, as saved or as entered, and what follows it."""
    before = [] if after is None else [after, *after.predecessors]
    missing = covered.filter(_not_covered_by(before)).order_by("name")
    return ChainOfSchedules(
        after,
        next((schedule for schedule in before if not schedule.enabled), None),
        missing.count() if before else 0,
        list(missing[:MOST_NAMED]) if before else [],
        [] if own is None else list(BackupSchedule.objects.filter(after=own, enabled=True)),
    )


def followed_slots(slots: Sequence[DueTime]) -> list[DueTime]:
    """Return the due times of the schedule before as those of a chained one: of its own kind."""
    return [replace(slot, full=False) for slot in slots]


def _not_covered_by(schedules: Sequence[BackupSchedule]) -> Q:
    missing = Q(pk__in=[])
    for schedule in schedules:
        missing |= ~Q(pk__in=covered_instances(schedule).values("pk"))
    return missing
