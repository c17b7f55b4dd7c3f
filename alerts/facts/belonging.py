"""Which groups and schedules does each instance belong to?

A fixed number of queries for any number of instances.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.facts.subject import Subject
from backups.models import BackupSchedule, Instance
from backups.models.schedule import PREDECESSORS
from backups.schedule import longest_pause
from backups.schedules.coverage import covering_schedules
from backups.states import BackupKind, Operation


@dataclass(frozen=True, slots=True)
class CoveringSchedule:
    """The values of an enabled schedule that rules check."""

    id: int
    name: str
    kinds: frozenset[str]
    # Whether it has times for full backups.
    plans_fulls: bool
    expected_duration: timedelta | None
    # The longest time between two of its backups, as planned.
    longest_pause: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Belonging:
    """The groups and schedules of one instance."""

    name: str
    group_ids: frozenset[int]
    schedules: tuple[CoveringSchedule, ...]

    def subject(
        self, key: str, instance_id: int, *, name: str = "", **more: int | str | None
    ) -> Subject:
        """Return the instance, or something that belongs to it, as a subject."""
        covering = frozenset(schedule.id for schedule in self.schedules)
        own = more.get("schedule_id")
        return Subject(
            key=key,
            name=name or self.name,
            instance_id=instance_id,
            # One that plans verifies or restore tests does not cover the instance.
            schedule_ids=covering | {own} if isinstance(own, int) else covering,
            group_ids=self.group_ids,
            **more,  # type: ignore[arg-type]
        )


def load_belonging(names: Mapping[int, str], now: datetime) -> dict[int, Belonging]:
    """Map the ids of instances to their groups and schedules."""
    groups: defaultdict[int, set[int]] = defaultdict(set)
    members = Instance.groups.through._default_manager.filter(instance_id__in=list(names))
    for instance_id, group_id in members.values_list("instance_id", "instancegroup_id"):
        groups[instance_id].add(group_id)
    schedules = _load_schedules(now)
    covered = covering_schedules(names)
    return {
        pk: Belonging(
            name,
            frozenset(groups[pk]),
            tuple(schedules[schedule] for schedule in sorted(covered[pk] & schedules.keys())),
        )
        for pk, name in names.items()
    }


def _load_schedules(now: datetime) -> dict[int, CoveringSchedule]:
    enabled = BackupSchedule.objects.filter(enabled=True, operation=Operation.BACKUP)
    enabled = enabled.select_related(PREDECESSORS)
    return {
        row.pk: CoveringSchedule(
            row.pk,
            row.name,
            row.kinds,
            row.kind == BackupKind.FULL or bool(row.full_cron),
            row.expected_duration,
            longest_pause(row.rhythm, now),
        )
        for row in enabled.order_by("id")
    }
