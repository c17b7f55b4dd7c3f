"""Restore tests by schedule on real servers: passed, not drilled, and a fault that is found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from alerts.evaluation.evaluate import evaluate_all
from alerts.models import Alert
from backups.models import BackupSchedule, Evidence, Instance, Occurrence, Repository
from backups.programs import server_program
from backups.restores import target
from backups.schedules.save import save_schedule
from backups.states import Operation, WaitReason
from tests.backups.planning import MINUTE, tick
from tests.backups.taking import run_here
from tests.live import clone_jobs
from tests.live.faults import make_place
from tests.live.mysql import PrivateMysql
from tests.live.server import LiveServer

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]


@pytest.fixture(params=["mariadb", "mysql"])
def shop(
    request: pytest.FixtureRequest, tmp_path: Path, settings: Settings
) -> Iterator[tuple[Instance, Repository]]:
    """An instance with one backup."""
    if request.param == "mariadb":
        server: LiveServer = request.getfixturevalue("mariadb")
        place = make_place(server, tmp_path, settings)
        place.label()
        yield Instance.objects.get(), place.main
        return
    with PrivateMysql(tmp_path / "source") as donor:
        donor.execute(*clone_jobs.USER)
        main = clone_jobs.make_main(tmp_path, settings)
        instance = clone_jobs.add_instance(donor)
        clone_jobs.taken()
        yield instance, main


def due_hourly(instance: Instance) -> datetime:
    """Add a schedule of restore tests; return its first due time."""
    first = now() + timedelta(hours=1)
    schedule = BackupSchedule(
        name="drills", operation=Operation.RESTORE_TEST, every_hours=1, anchor_at=first, retries=0
    )
    save_schedule(schedule, now())
    schedule.instances.set([instance])
    return first


def run_at(due: datetime) -> Occurrence:
    """Let the tick start what is due, a worker run it, and the next tick take it down."""
    tick(due)
    job = Occurrence.objects.latest("due_at").job
    assert job is not None
    run_here(job)
    tick(due + MINUTE)
    return Occurrence.objects.latest("due_at")


def damage(main: Repository) -> None:
    for pack in Path(main.path).rglob("*.pack"):
        content = bytearray(pack.read_bytes())
        content[len(content) // 2] ^= 4
        pack.write_bytes(content)


def assert_notified_once() -> None:
    evaluate_all(now())
    evaluate_all(now())
    rules = ("restore_test_failed", "job_failed", "job_refused", "proof_not_done", "proof_missed")
    alert = Alert.objects.get(rule__in=rules)
    assert alert.rule == "restore_test_failed"
    assert "failed its restore test" in alert.message


def test_a_schedule_drills_and_only_a_fault_is_held_against_the_copy(
    shop: tuple[Instance, Repository], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, main = shop
    first = due_hourly(instance)
    hour = timedelta(hours=1)

    with monkeypatch.context() as patch:
        patch.setattr(target, "RESERVE_BYTES", 1 << 60)
        full = run_at(first)
    assert (full.status, full.reason) == ("refused", WaitReason.NO_RESULT)
    assert full.detail.startswith("not drilled, because check target refused: ")
    assert full.detail.endswith(" free")

    with monkeypatch.context() as patch:
        patch.setattr(server_program, "search_path", lambda: "/nowhere")
        chosen, settings.MYSQLD = settings.MYSQLD, "/nowhere/mysqld"
        bare = run_at(first + hour)
        settings.MYSQLD = chosen
    assert (bare.status, bare.reason) == ("refused", WaitReason.NO_RESULT)
    assert bare.detail.startswith("not drilled, because ")
    assert "mariadbd is not installed" in bare.detail or "/nowhere/mysqld cannot" in bare.detail
    assert not Evidence.objects.exists()

    passed = run_at(first + 2 * hour)
    assert (passed.status, passed.detail) == ("succeeded", "")
    assert Evidence.objects.get().passed

    damage(main)
    damaged = run_at(first + 3 * hour)
    assert (damaged.status, damaged.reason) == ("failed", WaitReason.FAILED)
    assert not Evidence.objects.latest("pk").passed
    assert_notified_once()
    tick(first + 4 * hour)
    assert Occurrence.objects.latest("due_at").reason == WaitReason.NOTHING_TO_PROVE
    assert list(Path(settings.SCRATCH_FOLDER).glob("restore-test-*")) == []
