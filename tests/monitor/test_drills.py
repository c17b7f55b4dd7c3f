"""Do pages say which moment was proven, what failed, and how long a recovery would take?"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from backups.models import BackupSchedule, Drill, Evidence, Instance, Job, JobStage
from backups.parameters import RestoreTestParameters
from backups.states import JobStatus, Operation, StageStatus
from monitor.selectors.drills import load_recovery
from tests.monitor.rows import GIB, T0, make_backup, make_instance, make_job, make_repository
from tests.monitor.rows import make_user as make_person
from tests.monitor.test_recoverable import a_range, archive_of
from tests.monitor.test_recoverable import words as content

pytestmark = pytest.mark.django_db
MIB = 1024 * 1024
SECONDS = {
    "find transactions": 1, "check target": 1, "extract": 10, "prepare": 4, "start server": 2,
    "replay": 13,
}  # fmt: skip


def words(client: Client, page: str, *arguments: str) -> str:
    """What a page says, without its tags."""
    return " ".join(re.sub("<[^>]*>", " ", content(client, page, *arguments)).split())


@pytest.fixture
def orders() -> Instance:
    instance = make_instance("orders-1")
    make_backup(instance, make_repository())
    return instance


@pytest.fixture
def olga(client: Client) -> Client:
    client.force_login(make_person("olga", "operator"))
    return client


def drill(instance: Instance, *, passed: bool = True, **columns: Any) -> Drill:
    """A drill with its job, its stages and the evidence of its backup."""
    copy = instance.backups.get().copies.get()
    asked = RestoreTestParameters(
        point="random", until=T0.isoformat(), range_from=(T0 - timedelta(days=2)).isoformat(),
        range_to=T0.isoformat(),
    ).write()  # fmt: skip
    job = make_job(
        instance, JobStatus.SUCCEEDED if passed else JobStatus.FAILED, Operation.RESTORE_TEST
    )
    Job.objects.filter(pk=job.pk).update(parameters=asked, copy=copy, backup=copy.backup)
    measure(job)
    Evidence.objects.create(copy=copy, job=job, operation="restore_test", passed=True)
    reached: dict[str, Any] = {
        "last_commit_at": T0, "last_gtid": "0-1-4711", "file": "b.000002", "position": 99,
        "transactions": 5000, "replayed_bytes": 100 * MIB, "replay_time": timedelta(seconds=10),
        "recovery_time": timedelta(seconds=31),
    }  # fmt: skip
    failed = {"failed_stage": "replay", "error": "the replay stopped after 7 transactions"}
    return Drill.objects.create(
        instance=instance, copy=copy, job=job, point="random", moment=T0,
        range_from=T0 - timedelta(days=2), range_to=T0, passed=passed,
        **(reached if passed else failed) | columns,
    )  # fmt: skip


def measure(job: Job) -> None:
    """Give a job the stages of a drill, as they are written."""
    at = T0
    for number, (name, length) in enumerate(SECONDS.items()):
        ended = at + timedelta(seconds=length)
        stage = JobStage.objects.create(
            job=job, position=2 * number, name=name, status=StageStatus.SUCCEEDED, started_at=at,
            ended_at=ended, bytes_done={"extract": 3 * GIB, "replay": 100 * MIB}.get(name, 0),
        )  # fmt: skip
        if name == "replay":
            JobStage.objects.create(
                job=job, position=2 * number + 1, name="apply", status=StageStatus.SUCCEEDED,
                parent=stage, started_at=at, ended_at=at + timedelta(seconds=10),
            )  # fmt: skip
        at = ended


class TestInstancePage:
    def test_it_says_which_random_moment_was_proven(self, olga: Client, orders: Instance) -> None:
        archive_of(orders)
        text = words(olga, "instance-detail", "orders-1")
        assert "no restore test has gone to a random moment and passed" in text
        proven = drill(orders)
        text = words(olga, "instance-detail", "orders-1")
        assert "for the random moment" in text and "2026-03-02 01:00:00" in text
        assert f"job {proven.job_id}" in text
        assert "drill failed" not in text

    def test_a_later_failure_takes_its_green_away(self, olga: Client, orders: Instance) -> None:
        archive_of(orders)
        drill(orders)
        drill(orders, passed=False)
        text = words(olga, "instance-detail", "orders-1")
        assert "drill failed in replay" in text
        assert "was proven just now , for the random moment" in text
        assert " moment proven" not in text

    def test_a_failed_drill_says_nothing_against_the_backup(
        self, olga: Client, orders: Instance
    ) -> None:
        archive_of(orders)
        drill(orders, passed=False)
        assert "restore-tested" in words(olga, "instance-detail", "orders-1")

    def test_the_recovery_time_is_predicted_from_its_own_drills(
        self, olga: Client, orders: Instance
    ) -> None:
        assert "never measured: extract, prepare, start" in words(
            olga, "instance-detail", "orders-1"
        )
        archive_of(orders, backlog_bytes=50 * MIB)
        a_range(orders, 5, is_open=True)
        drill(orders)
        # Find and check 1 each, extract 10, prepare 4, start 2, replay 3 and half of 10.
        text = words(olga, "instance-detail", "orders-1")
        assert "about 26 s to the newest moment" in text
        assert "measured once, from 1 restore of this instance" in text

    def test_of_an_instance_without_any_others_are_asked(
        self, orders: Instance, olga: Client
    ) -> None:
        drill(orders)
        other = make_instance("orders-2")
        make_backup(other, make_repository("second"))
        text = words(olga, "instance-detail", "orders-2")
        assert "about 17 s to the newest backup measured once, from 1 restore of its like" in text
        Instance.objects.filter(pk=other.pk).update(engine="clone")
        assert "never measured" in words(olga, "instance-detail", "orders-2")


class TestJobPage:
    def test_it_says_what_was_reached_and_how_fast(self, olga: Client, orders: Instance) -> None:
        found = words(olga, "job-detail", str(drill(orders).job_id))
        parts = (
            "a random moment of", "0-1-4711", "5,000 transactions, 100.0 MiB", "10.0 MiB/s",
            "500 transactions/s", "proven in 31 s",
        )  # fmt: skip
        assert [part for part in parts if part not in found] == []

    def test_of_a_failed_one_that_the_backup_passed(self, olga: Client, orders: Instance) -> None:
        found = words(olga, "job-detail", str(drill(orders, passed=False).job_id))
        assert "in replay" in found
        assert "the backup itself passed its restore test" in found

    def test_one_that_fell_back_says_why(self, olga: Client, orders: Instance) -> None:
        job = make_job(orders, JobStatus.SUCCEEDED, Operation.RESTORE_TEST)
        asked = RestoreTestParameters(point="random", not_replayed="the instance has none")
        Job.objects.filter(pk=job.pk).update(parameters=asked.write())
        found = words(olga, "job-detail", str(job.pk))
        assert "the backup alone the instance has none" in found


class TestBackupPage:
    def test_points_are_offered_where_binlogs_are_archived(
        self, olga: Client, orders: Instance
    ) -> None:
        label = orders.backups.get().label
        assert "A random moment" not in words(olga, "backup-detail", label)
        archive_of(orders)
        assert "A random moment" in words(olga, "backup-detail", label)

    def test_a_drill_is_requested_from_it(self, olga: Client, orders: Instance) -> None:
        copy = orders.backups.get().copies.get()
        address = f"/backups/{copy.backup.label}/copies/{copy.pk}/restore-test/"
        for point, asked in (("random", "random"), ("", None), ("; DROP", None)):
            olga.post(address, {"point": point})
            job = Job.objects.filter(operation=Operation.RESTORE_TEST).latest("pk")
            assert (job.parameters.get("point"), job.copy) == (asked, copy)
            Job.objects.update(status=JobStatus.CANCELLED)

    def test_its_evidence_says_where_a_drill_went(self, olga: Client, orders: Instance) -> None:
        made = drill(orders)
        text = words(olga, "backup-detail", made.copy.backup.label)
        assert "recovery to 2026-03-02 01:00:00 UTC proven" in text


def test_a_schedule_says_what_it_tests(olga: Client, orders: Instance) -> None:
    BackupSchedule.objects.create(
        name="nightly", cron="0 1 * * *", operation="restore_test", proof_target="random"
    )
    text = words(olga, "schedule-detail", "nightly")
    assert "Restore test (a random moment)" in text
    assert "Retention" not in text
    assert "restore test, every day at 01:00" in words(olga, "schedules")


def test_as_many_queries_for_any_number_of_drills(
    orders: Instance, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    archive_of(orders, last_commit_at=now())
    a_range(orders, 9, is_open=True)
    for _ in range(5):
        drill(orders)
    with django_assert_max_num_queries(8):
        found = load_recovery(orders)
    assert found.estimate.length is not None and found.failed is None
