"""Which instances a schedule covers, and which none does."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backups.models import BackupSchedule, Instance, InstanceGroup, Tag
from backups.schedules.coverage import (
    count_covered,
    coverage_of,
    covered_instances,
    uncovered_instances,
)
from tests.backups.planning import make_instances, make_schedule

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet(db: None) -> list[Instance]:
    return make_instances(6)


def names(schedule: BackupSchedule) -> list[str]:
    found = sorted(instance.name for instance in covered_instances(schedule))
    assert found == sorted(each.name for each in coverage_of([schedule])[schedule.pk])
    assert len(found) == count_covered([schedule])[schedule.pk]
    return found


def test_by_name_group_and_tag_each_once(fleet: list[Instance]) -> None:
    schedule = make_schedule(fleet[0], fleet[1])
    group, tag = InstanceGroup.objects.create(name="shop"), Tag.objects.create(name="gold")
    schedule.groups.add(group)
    schedule.tags.add(tag)
    assert names(schedule) == ["shard-0", "shard-1"]
    for instance in fleet[1:4]:
        instance.groups.add(group)
    fleet[1].tags.add(tag)
    fleet[4].tags.add(tag)
    assert names(schedule) == ["shard-0", "shard-1", "shard-2", "shard-3", "shard-4"]


def test_the_disabled_are_not_covered(fleet: list[Instance]) -> None:
    Instance.objects.filter(pk=fleet[0].pk).update(enabled=False)
    assert names(make_schedule(fleet[0], fleet[1])) == ["shard-1"]
    assert len(names(make_schedule(name="all", covers_all=True))) == 5
    assert uncovered_instances().count() == 0


def test_who_is_covered_by_none(fleet: list[Instance]) -> None:
    group, tag = InstanceGroup.objects.create(name="shop"), Tag.objects.create(name="gold")
    make_schedule(fleet[0])
    make_schedule(name="by-group").groups.add(group)
    make_schedule(name="by-tag").tags.add(tag)
    make_schedule(fleet[3], name="off", enabled=False)
    fleet[1].groups.add(group)
    fleet[2].tags.add(tag)
    Instance.objects.filter(pk=fleet[5].pk).update(enabled=False)
    assert sorted(instance.name for instance in uncovered_instances()) == [
        "shard-3",
        "shard-4",
    ]
    make_schedule(name="all", covers_all=True)
    assert not uncovered_instances().exists()


def test_the_number_of_queries_does_not_grow(fleet: list[Instance]) -> None:
    counts = []
    for size in (2, 20):
        schedules = [make_schedule(*fleet, name=f"of-{size}-{each}") for each in range(size)]
        with CaptureQueriesContext(connection) as queries:
            assert all(len(found) == 6 for found in coverage_of(schedules).values())
            assert set(count_covered(schedules).values()) == {6}
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 7
