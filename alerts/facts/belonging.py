"""What does each instance belong to: which groups, which schedules?

A fixed number of queries for however many instances.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Model

from alerts.facts.subject import Subject
from backups.models import BackupSchedule, Instance


@dataclass(frozen=True, slots=True)
class CoveringSchedule:
    """An enabled schedule, as far as a rule asks."""

    id: int
    name: str
    kind: str
    expected_duration: timedelta | None


@dataclass(frozen=True, slots=True)
class Belonging:
    """What one instance belongs to."""

    name: str
    group_ids: frozenset[int]
    schedules: tuple[CoveringSchedule, ...]

    def subject(
        self, key: str, instance_id: int, *, name: str = "", **more: int | str | None
    ) -> Subject:
        """Return a subject that is about this instance, or about something of it."""
        return Subject(
            key=key,
            name=name or self.name,
            instance_id=instance_id,
            schedule_ids=frozenset(schedule.id for schedule in self.schedules),
            group_ids=self.group_ids,
            **more,  # type: ignore[arg-type]
        )


def load_belonging(names: Mapping[int, str]) -> dict[int, Belonging]:
    """Map the ids of instances to what they belong to."""
    ids = list(names)
    groups = _pairs(Instance.groups.through, "instance_id", ids, "instancegroup_id")
    tags = _pairs(Instance.tags.through, "instance_id", ids, "tag_id")
    schedules = _load_schedules()
    covered = _covered(schedules, ids, groups, tags)
    return {
        pk: Belonging(
            name,
            frozenset(groups[pk]),
            tuple(schedules[each] for each in sorted(covered[pk])),
        )
        for pk, name in names.items()
    }


def _load_schedules() -> dict[int, CoveringSchedule]:
    rows = BackupSchedule.objects.filter(enabled=True).order_by("id")
    columns = rows.values_list("id", "name", "kind", "expected_duration")
    return {row[0]: CoveringSchedule(*row) for row in columns}


def _covered(
    schedules: Collection[int],
    ids: list[int],
    groups: Mapping[int, set[int]],
    tags: Mapping[int, set[int]],
) -> Mapping[int, set[int]]:
    """Map each instance to the schedules that name it, a group or a tag of it, or all."""
    enabled = set(schedules)
    through = BackupSchedule.instances.through
    covered = _pairs(through, "instance_id", ids, "backupschedule_id")
    by_group = _pairs(BackupSchedule.groups.through, "instancegroup_id", None, "backupschedule_id")
    by_tag = _pairs(BackupSchedule.tags.through, "tag_id", None, "backupschedule_id")
    everywhere = set(BackupSchedule.objects.filter(covers_all=True).values_list("id", flat=True))
    return {
        pk: enabled
        & everywhere.union(
            covered[pk],
            *(by_group[group] for group in groups[pk]),
            *(by_tag[tag] for tag in tags[pk]),
        )
        for pk in ids
    }


def _pairs(
    through: type[Model], key: str, keys: list[int] | None, value: str
) -> defaultdict[int, set[int]]:
    rows = through._default_manager.all()
    if keys is not None:
        rows = rows.filter(**{f"{key}__in": keys})
    found: defaultdict[int, set[int]] = defaultdict(set)
    for left, right in rows.values_list(key, value):
        found[left].add(right)
    return found
