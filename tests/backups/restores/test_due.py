"""Which restore tests do schedules start?"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils.timezone import now

from backups.models import BackupSchedule, Instance, Job, Repository
from backups.parameters import RestoreTestParameters
from backups.restores.drills import WantedTest, create_restore_test_job
from backups.restores.due import start_restore_tests
from backups.states import DrillPoint, JobStatus
from tests.backups.binlog_archive.stored import backup_at

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def schedule(orders: Instance, main: Repository) -> BackupSchedule:
    backup_at(orders, main, "b.000001", 4)
    schedule = BackupSchedule.objects.create(
        name="nightly", cron="0 1 * * *", restore_tests=DrillPoint.RANDOM, restore_test_days=7
    )
    schedule.instances.set([orders])
    return schedule


def end_all(status: JobStatus = JobStatus.SUCCEEDED) -> None:
    Job.objects.update(status=status)


def started(at: datetime) -> int:
    count = start_restore_tests(at)
    # As old as the tick that requested it.
    newest = Job.objects.order_by("-pk").first()
    if count and newest is not None:
        Job.objects.filter(pk=newest.pk).update(requested_at=at)
    return count


def test_one_is_started_and_the_next_when_it_is_due(schedule: BackupSchedule) -> None:
    at = now()
    assert started(at) == 1
    job = Job.objects.get()
    asked = RestoreTestParameters.of(job)
    assert (asked.point, asked.schedule) == ("random", "nightly")
    assert job.events.get().actor == "schedule nightly"
    end_all()
    assert started(at + 7 * DAY - timedelta(minutes=1)) == 0
    assert started(at + 7 * DAY) == 1


def test_one_that_hangs_is_cancelled_after_a_day(schedule: BackupSchedule) -> None:
    at = now()
    assert started(at) == 1
    Job.objects.update(status=JobStatus.RUNNING, started_at=at)
    assert started(at + DAY - timedelta(minutes=1)) == 0
    assert not Job.objects.filter(cancel_requested=True).exists()
    assert started(at + DAY + timedelta(minutes=1)) == 0
    assert Job.objects.get().cancel_requested


def test_one_runs_at_a_time_the_longest_untested_first(
    schedule: BackupSchedule, orders: Instance, main: Repository
) -> None:
    second = Instance.objects.create(name="orders-2", engine="fake", created_at=now() - DAY)
    backup_at(second, main, "b.000001", 4)
    schedule.instances.add(second)
    assert started(now()) == 1
    assert Job.objects.get().instance == second
    assert started(now()) == 0
    end_all()
    assert started(now()) == 1
    assert Job.objects.order_by("-pk")[0].instance == orders


@pytest.mark.parametrize(
    ("status", "after_a_day"),
    [
        (JobStatus.SUCCEEDED, 0),
        (JobStatus.FAILED, 0),
        (JobStatus.REFUSED, 1),
        (JobStatus.LOST, 1),
        (JobStatus.CANCELLED, 1),
    ],
)
def test_what_came_to_no_result_is_tried_again_a_day_later(
    schedule: BackupSchedule, status: JobStatus, after_a_day: int
) -> None:
    at = now()
    assert started(at) == 1
    end_all(status)
    assert started(at + timedelta(hours=23)) == 0
    assert started(at + DAY) == after_a_day


def test_one_that_a_person_started_counts_if_it_goes_as_far(
    schedule: BackupSchedule, orders: Instance
) -> None:
    create_restore_test_job(WantedTest(orders), wake=False)
    assert started(now()) == 0
    end_all()
    assert started(now()) == 1
    end_all()
    BackupSchedule.objects.update(restore_tests=DrillPoint.BACKUP)
    assert started(now()) == 0


@pytest.mark.parametrize(
    "columns",
    [
        {"restore_tests": ""},
        {"enabled": False},
        {"paused_at": datetime.fromisoformat("2026-03-02T01:00:00+00:00")},
        {"origin": "observed"},
    ],
)
def test_schedules_that_start_none(schedule: BackupSchedule, columns: dict[str, object]) -> None:
    BackupSchedule.objects.update(**columns)
    assert started(now()) == 0


def test_an_instance_without_a_restorable_backup_waits(
    schedule: BackupSchedule, orders: Instance
) -> None:
    orders.backups.get().copies.update(fault="missing")
    assert started(now()) == 0


def test_groups_and_all_are_covered(schedule: BackupSchedule) -> None:
    schedule.instances.clear()
    assert started(now()) == 0
    BackupSchedule.objects.update(covers_all=True)
    assert started(now()) == 1
