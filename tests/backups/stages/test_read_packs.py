"""read_packs: what a verify finds becomes evidence, what stops it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from backups.jobs import create_copy_job, request_cancel
from backups.models import BackupCopy, Evidence, Instance, Job, Repository
from backups.states import CopyStatus, JobStatus, Operation
from tests.backups.fake_engine import FakeEngine
from tests.backups.running import run_here, take_backup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders).copies.get()


def verify(copy: BackupCopy) -> Job:
    return run_here(create_copy_job(Operation.VERIFY, copy, wake=False))


def test_a_whole_copy(copy: BackupCopy) -> None:
    job = verify(copy)
    assert job.stages.get().detail == "1 packs, 1 frames, 5 files match"
    evidence = Evidence.objects.get()
    assert (evidence.passed, evidence.job) == (True, job)
    assert evidence.report == {"packs": 1, "frames": 1, "files": 5, "damages": []}


def test_every_fault_is_in_the_log(copy: BackupCopy) -> None:
    (pack,) = Path(copy.repository.path).rglob("*.pack")
    pack.write_bytes(pack.read_bytes()[:-7])
    job = verify(copy)
    assert job.status == JobStatus.FAILED
    damages = Evidence.objects.get().report["damages"]
    assert damages
    said = [line.text for line in job.log_lines.filter(source="read packs")]
    assert said == damages


def test_a_missing_key_is_no_evidence(copy: BackupCopy, settings: Settings) -> None:
    settings.BACKUP_KEY_FILE = Path("/nowhere")
    assert verify(copy).status == JobStatus.FAILED
    assert not Evidence.objects.exists()


def test_a_copy_that_expired_in_the_meantime_is_refused(copy: BackupCopy) -> None:
    job = create_copy_job(Operation.VERIFY, copy, wake=False)
    BackupCopy.objects.update(status=CopyStatus.EXPIRED)
    job = run_here(job)
    assert job.refused
    assert "is expired: there is nothing to read" in job.error
    assert not Evidence.objects.exists()


def test_one_that_was_cancelled_is_not_begun(copy: BackupCopy) -> None:
    job = create_copy_job(Operation.VERIFY, copy, wake=False)
    request_cancel(job, actor="anna")
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert not Evidence.objects.exists()
