"""What a dead worker left behind goes, and nothing else does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.utils.timezone import now

from backups.exceptions import RepositoryError
from backups.executor.leftovers import (
    ELSEWHERE_FOR,
    clear_up_here,
    lose_dead,
    lose_expired,
    remove_leftovers,
    remove_leftovers_of_host,
)
from backups.jobs.request import create_backup_job, create_copy_job
from backups.models import Backup, Instance, Job, Repository
from backups.parameters import ExportParameters, RestoreParameters, RestoreTestParameters
from backups.repositories.directory import DirectoryStore
from backups.runners.groups import start_time
from backups.states import JobStatus, Operation, StageStatus
from backups.transitions.jobs import claim
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import restore, run_here, stored_files, take_backup

pytestmark = pytest.mark.django_db(transaction=True)

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def abandoned(orders: Instance, main: Repository, **values: object) -> Job:
    """A backup job whose worker died with some of its bytes written."""
    job = Job.objects.create(operation="backup", instance=orders, kind="full", engine="fake")
    job.repositories.set([main])
    assert claim(job, worker=f"{socket.gethostname()}:1", exclusive_key=f"i:{job.pk}", now=T0)
    label = f"orders-1@20260302T01{job.pk:04}Z-F"
    folder = Path(main.path) / f"instances/{orders.uuid}/backups/{label}/packs"
    folder.mkdir(parents=True)
    (folder / "000001.pack").write_bytes(b"half")
    (folder / "000002.pack.part").write_bytes(b"less")
    Job.objects.filter(pk=job.pk).update(label=label, leftovers=True, **values)
    job.refresh_from_db()
    return job


@pytest.mark.parametrize(("age_seconds", "lost"), [(59, 0), (60, 1), (61, 1)])
def test_only_an_expired_lease_is_lost(
    orders: Instance, main: Repository, age_seconds: int, lost: int
) -> None:
    job = abandoned(orders, main)
    job.stages.create(position=1, name="copy", status=StageStatus.RUNNING)
    assert lose_expired(T0 + timedelta(seconds=age_seconds)) == lost
    job.refresh_from_db()
    assert job.status == (JobStatus.LOST if lost else JobStatus.RUNNING)
    if lost:
        assert "stopped renewing its lease" in job.error
        assert job.stages.get().status == StageStatus.FAILED


@pytest.mark.parametrize(
    ("host", "worker", "age_seconds", "lost"),
    [
        (socket.gethostname(), "dead", 60, 1),
        (socket.gethostname(), "dead", 59, 0),
        (socket.gethostname(), "alive", 60, 0),
        ("elsewhere", "dead", 60, 0),
        # Its number is another's by now, or this very process's.
        (socket.gethostname(), "another", 60, 1),
        (socket.gethostname(), "own", 60, 1),
    ],
)
def test_what_died_here_is_lost_without_a_tick(
    orders: Instance, main: Repository, host: str, worker: str, age_seconds: int, lost: int
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    with subprocess.Popen(["sleep", "60"]) as running:
        pids = {"dead": ended.pid, "own": os.getpid()}
        job = abandoned(orders, main, worker=f"{host}:{pids.get(worker, running.pid)}")
        claimed = now() if worker == "alive" else T0
        Job.objects.filter(pk=job.pk).update(started_at=claimed)
        assert lose_dead(T0 + timedelta(seconds=age_seconds)) == lost
        running.kill()
    job.refresh_from_db()
    assert job.status == (JobStatus.LOST if lost else JobStatus.RUNNING)


def test_a_command_clears_up_what_is_left_on_its_own_host_until_it_can(
    orders: Instance, main: Repository
) -> None:
    here = abandoned(orders, main, worker=f"{socket.gethostname()}:1", status=JobStatus.LOST)
    there = abandoned(orders, main, worker="elsewhere:1", status=JobStatus.LOST)
    away = Path(main.path).rename(Path(main.path).with_name("away"))
    clear_up_here(now())
    here.refresh_from_db()
    assert here.leftovers
    away.rename(main.path)
    clear_up_here(now())
    for job in (here, there):
        job.refresh_from_db()
    assert (here.leftovers, there.leftovers) == (False, True)


@pytest.mark.parametrize("operation", [Operation.RESTORE, Operation.RESTORE_TEST, Operation.EXPORT])
def test_what_was_left_on_another_host_is_looked_for_there(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path, operation: Operation
) -> None:
    copy = take_backup(orders, main).copies.get()
    job = create_copy_job(
        operation,
        copy,
        parameters={
            Operation.RESTORE: RestoreParameters(tmp_path / "restored"),
            Operation.RESTORE_TEST: RestoreTestParameters(),
            Operation.EXPORT: ExportParameters(tmp_path / "orders.tar"),
        }[operation],
        wake=False,
    )
    rows = Job.objects.filter(pk=job.pk)
    rows.update(worker="other:7", status=JobStatus.LOST, ended_at=now(), leftovers=True)
    assert remove_leftovers() == 0
    assert rows.get().leftovers

    rows.update(worker=f"{socket.gethostname()}:7")
    assert remove_leftovers_of_host() == 1
    assert not rows.get().leftovers


def test_leftovers_of_a_host_that_never_comes_back_are_forgotten(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    copy = take_backup(orders, main).copies.get()
    asked = ExportParameters(tmp_path / "orders.tar")
    job = create_copy_job(Operation.EXPORT, copy, parameters=asked, wake=False)
    rows = Job.objects.filter(pk=job.pk)
    rows.update(worker="other:7", status=JobStatus.LOST, leftovers=True)
    rows.update(ended_at=now() - ELSEWHERE_FOR - timedelta(minutes=1))
    assert remove_leftovers() == 1


def test_bytes_of_a_lost_job_go_and_those_of_a_running_one_stay(
    orders: Instance, main: Repository
) -> None:
    job = abandoned(orders, main)
    assert remove_leftovers() == 0
    assert len(stored_files(main)) == 3
    lose_expired(now())
    assert remove_leftovers() == 1
    assert stored_files(main) == ["mooring.json"]
    assert not Job.objects.get(pk=job.pk).leftovers
    assert remove_leftovers() == 0


def test_a_finished_backup_is_never_taken_for_leftovers(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    made = take_backup(orders)
    before = stored_files(main)
    Job.objects.update(leftovers=True)
    assert remove_leftovers() == 1
    assert stored_files(main) == before
    assert Backup.objects.get() == made


def as_in_an_older_catalog(backup: Backup, status: JobStatus) -> Job:
    """Have the catalog as a dump of it that was taken while the backup ran, restored later."""
    job = backup.made_by
    assert job is not None
    backup.copies.all().delete()
    backup.delete()
    Job.objects.filter(pk=job.pk).update(status=status, leftovers=True)
    return job


def test_a_whole_backup_that_an_older_catalog_takes_for_lost_is_registered(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    label = take_backup(orders).label
    files = stored_files(main)
    job = as_in_an_older_catalog(Backup.objects.get(), JobStatus.LOST)
    assert remove_leftovers() == 1
    assert stored_files(main) == files
    found = Backup.objects.get(label=label)
    assert found.made_by == job
    assert found.copies.get().repository == main
    assert not Job.objects.filter(leftovers=True).exists()


def test_one_that_lacks_bytes_stays_for_a_person(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    take_backup(orders)
    as_in_an_older_catalog(Backup.objects.get(), JobStatus.LOST)
    pack = next(Path(main.path).rglob("*.pack"))
    pack.write_bytes(pack.read_bytes()[:-1])
    files = stored_files(main)
    assert remove_leftovers() == 0
    assert stored_files(main) == files
    assert Job.objects.filter(leftovers=True).exists()


def test_what_a_failed_job_could_not_remove_goes_with_its_manifest(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    take_backup(orders)
    as_in_an_older_catalog(Backup.objects.get(), JobStatus.FAILED)
    assert remove_leftovers() == 1
    assert stored_files(main) == ["mooring.json"]


def test_another_repository_at_the_path_is_left_alone(orders: Instance, main: Repository) -> None:
    job = abandoned(orders, main)
    lose_expired(now())
    identity = Path(main.path) / "mooring.json"
    was = identity.read_text()
    identity.write_text(json.dumps({"repository": str(uuid4()), "format": 1}))
    assert remove_leftovers() == 0
    assert len(stored_files(main)) == 3
    assert Job.objects.get(pk=job.pk).leftovers
    identity.write_text(was)
    assert remove_leftovers() == 1


def test_a_disk_that_is_not_mounted_is_waited_for(orders: Instance, main: Repository) -> None:
    job = abandoned(orders, main)
    lose_expired(now())
    away = Path(main.path).rename(Path(main.path).with_name("unmounted"))
    Path(main.path).mkdir()
    assert remove_leftovers() == 0
    assert Job.objects.get(pk=job.pk).leftovers
    Path(main.path).rmdir()
    away.rename(main.path)
    assert remove_leftovers() == 1
    assert stored_files(main) == ["mooring.json"]


def test_one_that_cannot_be_cleared_does_not_keep_the_others(
    orders: Instance, main: Repository
) -> None:
    stuck, fine = abandoned(orders, main), abandoned(orders, main)
    stuck.repositories.set([Repository.objects.create(name="away", path="/nowhere/at/all")])
    lose_expired(now())
    assert remove_leftovers() == 1
    assert Job.objects.get(pk=stuck.pk).leftovers
    assert not Job.objects.get(pk=fine.pk).leftovers


def test_a_clean_up_that_fails_is_finished_by_the_tick(
    orders: Instance, main: Repository, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_of_trouble(self: DirectoryStore, prefix: str) -> int:
        raise RepositoryError(f"{prefix} could not be deleted: Input/output error")

    engine.fails_after = 5
    with monkeypatch.context() as patch:
        patch.setattr(DirectoryStore, "remove_tree", full_of_trouble)
        job = run_here(create_backup_job(orders, wake=False))
    assert (job.status, job.leftovers) == (JobStatus.FAILED, True)
    assert job.error == "copy failed: the fake tool exited with 1"
    assert job.log_lines.filter(level="warning", text__contains="clean-up failed").exists()
    assert remove_leftovers() == 1
    assert stored_files(main) == ["mooring.json"]


def test_a_half_restored_folder_goes_and_one_of_somebody_else_stays(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    target = tmp_path / "restored"
    job = restore(take_backup(orders).copies.get(), target)
    Job.objects.filter(pk=job.pk).update(leftovers=True)
    # Handed over: no mark is left.
    assert remove_leftovers() == 1
    assert (target / "ibdata1").exists()
    Job.objects.filter(pk=job.pk).update(leftovers=True)
    (target / ".mooring-restore").write_text(str(job.pk))
    assert remove_leftovers() == 1
    assert not target.exists()


def test_an_orphaned_engine_is_ended_and_a_stranger_is_not(
    orders: Instance, main: Repository
) -> None:
    orphan = subprocess.Popen(["sleep", "60"], start_new_session=True)
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        began = start_time(orphan.pid)
        abandoned(orders, main, process_group=orphan.pid, process_started_at=began)
        abandoned(orders, main, process_group=stranger.pid, process_started_at=began - 3600)
        lose_expired(now())
        assert remove_leftovers() == 2
        assert orphan.wait(5) < 0
        assert stranger.poll() is None
    finally:
        for child in (orphan, stranger):
            child.kill()
            child.wait()
