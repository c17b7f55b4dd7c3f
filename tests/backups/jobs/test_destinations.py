"""Where a backup goes if nobody names a repository: to where the instance's schedule stores it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from backups.exceptions import BadInput, Refused
from backups.jobs.destinations import default_destinations
from backups.jobs.request import create_backup_job
from backups.models import BackupSchedule, Instance, Repository
from tests.backups.conftest import make_repository
from tests.backups.planning import T0

pytestmark = pytest.mark.django_db


@pytest.fixture
def two(key_file: Path, tmp_path: Path) -> tuple[Repository, Repository]:
    return make_repository("main", tmp_path / "main"), make_repository("away", tmp_path / "away")


def plan(name: str, *repositories: Repository, **columns: object) -> BackupSchedule:
    defaults = {"cron": "0 1 * * *", "covers_all": True, "next_due_at": T0}
    schedule = BackupSchedule.objects.create(name=name, **(defaults | columns))
    schedule.repositories.set(repositories)
    return schedule


def names(instance: Instance) -> tuple[list[str], str]:
    found = default_destinations(instance)
    return [repository.name for repository in found.repositories], found.schedule


def test_it_is_where_its_schedule_stores_it(
    orders: Instance, two: tuple[Repository, Repository]
) -> None:
    plan("nightly", two[1])
    assert names(orders) == (["away"], "nightly")
    job = create_backup_job(orders, wake=False)
    assert list(job.repositories.all()) == [two[1]]


def test_of_several_schedules_it_is_the_one_of_its_kind_that_runs_next(
    orders: Instance, two: tuple[Repository, Repository]
) -> None:
    hour = timedelta(hours=1)
    plan("hourly", *two, kind="incremental", next_due_at=T0)
    plan("weekly", *two, next_due_at=T0 + 2 * hour)
    plan("nightly", two[0], next_due_at=T0 + hour)
    plan("never", *two, next_due_at=None)
    assert names(orders) == (["main"], "nightly")


@pytest.mark.parametrize(
    "columns", [{"enabled": False}, {"origin": "observed"}, {"covers_all": False}]
)
def test_a_schedule_that_does_not_run_its_backups_decides_nothing(
    orders: Instance, two: tuple[Repository, Repository], columns: dict[str, object]
) -> None:
    plan("other", two[1], **columns)
    with pytest.raises(BadInput, match="several are enabled"):
        default_destinations(orders)


def test_without_a_schedule_or_a_choice_of_it_it_is_the_only_enabled_one(
    orders: Instance, two: tuple[Repository, Repository]
) -> None:
    Repository.objects.filter(name="away").update(enabled=False)
    assert names(orders) == (["main"], "")
    plan("nightly")
    assert names(orders) == (["main"], "nightly")


def test_a_disabled_repository_of_the_schedule_is_named_not_left_out(
    orders: Instance, two: tuple[Repository, Repository]
) -> None:
    plan("nightly", *two)
    Repository.objects.filter(name="away").update(enabled=False)
    with pytest.raises(Refused, match="away is disabled"):
        create_backup_job(orders, wake=False)
