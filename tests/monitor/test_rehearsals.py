"""Do pages show which upgrade was rehearsed, apart from the proofs of a backup?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from backups.models import Instance, Job, Rehearsal
from backups.parameters import RehearsalParameters
from backups.states import JobStatus, Operation
from tests.monitor.rows import make_backup, make_instance, make_job, make_repository, make_user
from tests.monitor.test_drills import words

pytestmark = pytest.mark.django_db
PASSED = "restores and upgrades to MariaDB 11.8.3: yes, 41 s"
FAILED = "restores and upgrades to MariaDB 12.3.1: no, failed in upgrade"


@pytest.fixture
def orders() -> Instance:
    instance = make_instance("orders-1")
    make_backup(instance, make_repository())
    return instance


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(make_user("vera", "viewer"))
    return client


def rehearsal(instance: Instance, to: str, *, passed: bool = True, digest: str = "") -> Rehearsal:
    copy = instance.backups.get().copies.get()
    job = make_job(
        instance, JobStatus.SUCCEEDED if passed else JobStatus.FAILED, Operation.REHEARSAL
    )
    asked = RehearsalParameters("/opt/newer/bin/mariadbd", "SELECT 1;").write()
    Job.objects.filter(pk=job.pk).update(parameters=asked, copy=copy, backup=copy.backup)
    return Rehearsal.objects.create(
        instance=instance, copy=copy, job=job, passed=passed, origin="MariaDB 10.11.6",
        upgraded_to=to, failed_stage="" if passed else "upgrade", program=asked["mysqld"],
        manifest_digest=digest or copy.manifest_digest,
        took=timedelta(seconds=41) if passed else None,
        report={"own_checks": [
            {"statement": "SELECT <1>", "passed": True, "found": "1", "seconds": 0.25}
        ]},
    )  # fmt: skip


def test_backup_and_instance_show_it_apart_from_proofs(orders: Instance, viewer: Client) -> None:
    rehearsal(orders, "MariaDB 12.3.1", passed=False)
    job = rehearsal(orders, "MariaDB 11.8.3").job
    assert job is not None
    for page, name in (
        ("instance-detail", orders.name),
        ("backup-detail", orders.backups.get().label),
    ):
        text = words(viewer, page, name)
        assert f"{PASSED} from MariaDB 10.11.6" in text
        assert FAILED in text and f"job {job.pk}" in text
        assert "neither one of them, nor evidence against it" in text
        # Its proofs are as before.
        assert "not restore-tested" in text


def test_nothing_is_shown_where_nothing_was_rehearsed(orders: Instance, viewer: Client) -> None:
    assert "rehearsal" not in words(viewer, "instance-detail", orders.name).lower()
    assert "rehearsal" not in words(viewer, "backup-detail", orders.backups.get().label).lower()


def test_the_newest_to_a_release_counts(orders: Instance, viewer: Client) -> None:
    rehearsal(orders, "MariaDB 12.3.1")
    rehearsal(orders, "MariaDB 12.3.1", passed=False)
    text = words(viewer, "instance-detail", orders.name)
    assert FAILED in text and "12.3.1: yes" not in text


def test_one_of_other_bytes_is_not_shown_on_the_backup(orders: Instance, viewer: Client) -> None:
    rehearsal(orders, "MariaDB 11.8.3", digest="f" * 64)
    assert PASSED not in words(viewer, "backup-detail", orders.backups.get().label)


def test_the_job_shows_result_and_own_checks(orders: Instance, viewer: Client) -> None:
    job = rehearsal(orders, "MariaDB 11.8.3").job
    assert job is not None
    text = words(viewer, "job-detail", str(job.pk))
    assert "/opt/newer/bin/mariadbd" in text and PASSED.capitalize()[:8] in text
    assert "SELECT &lt;1&gt; 1, 0.250 s" in text
    # It would run the program once more.
    assert "Run again" not in text
