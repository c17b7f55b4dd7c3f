"""A purge whose process is killed between any two of its steps is finished, or has done nothing."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.utils.timezone import now

from backups.executor.execute import execute
from backups.executor.leftovers import lose_expired, remove_leftovers
from backups.jobs.request import create_copy_job
from backups.models import BackupCopy, Instance, Job, Repository
from backups.parameters import PurgeParameters
from backups.states import CopyStatus, DeletionStatus, JobStatus, Operation
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import purge, stored_files, take_backup

pytestmark = pytest.mark.django_db(transaction=True)

# What is about to be called when the process is killed, and what has happened by then.
DECIDE = "backups.stages.purge.decide.expire_copy"
EXPIRED = "backups.stages.purge.delete.checked_store"
NO_MANIFEST = "backups.repositories.directory.shutil.rmtree"
DELETED = "backups.stages.purge.delete.purge_copy"


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders).copies.get()


def killed_before(
    copy: BackupCopy, step: str, *, at_once: bool = True, deletion: int | None = None
) -> Job:
    """Purge a copy in a process that ends with ``kill -9`` as soon as it reaches a step."""
    asked = PurgeParameters("a test", force=True, at_once=at_once, deletion=deletion)
    job = create_copy_job(Operation.PURGE, copy, parameters=asked, wake=False)
    connections.close_all()
    if (child := os.fork()) == 0:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(step, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
            execute(job)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it ended before it got there"
    return Job.objects.get(pk=job.pk)


@pytest.mark.parametrize("step", [EXPIRED, NO_MANIFEST, DELETED])
def test_what_was_decided_is_finished_by_the_next_tick(
    copy: BackupCopy, main: Repository, step: str
) -> None:
    before = stored_files(main)
    job = killed_before(copy, step)
    copy.refresh_from_db()
    assert (job.status, copy.status) == (JobStatus.RUNNING, CopyStatus.EXPIRED)
    left = stored_files(main)
    if step == EXPIRED:
        assert left == before
    else:
        # Nothing that looks like a backup is left at any moment.
        assert not any(name.endswith("manifest.json.zst") for name in left)
        assert (left == ["mooring.json"]) == (step == DELETED)
    assert lose_expired(now() + timedelta(minutes=5)) == 1
    assert remove_leftovers() == 1
    copy.refresh_from_db()
    assert (copy.status, copy.expire_reason) == (CopyStatus.PURGED, "a test")
    assert copy.deletions.get().status == DeletionStatus.DELETED
    assert stored_files(main) == ["mooring.json"]
    assert remove_leftovers() == 0


@pytest.mark.parametrize("step", [EXPIRED, NO_MANIFEST, DELETED])
def test_it_is_finished_by_the_next_purge_as_well(
    copy: BackupCopy, main: Repository, step: str
) -> None:
    killed_before(copy, step)
    lose_expired(now() + timedelta(minutes=5))
    assert purge(copy).status == JobStatus.SUCCEEDED
    copy.refresh_from_db()
    assert copy.status == CopyStatus.PURGED
    assert stored_files(main) == ["mooring.json"]


def test_before_the_decision_nothing_has_happened(copy: BackupCopy, main: Repository) -> None:
    before = stored_files(main)
    killed_before(copy, DECIDE)
    lose_expired(now() + timedelta(minutes=5))
    assert remove_leftovers() == 0
    copy.refresh_from_db()
    assert copy.status == CopyStatus.STORED
    assert not copy.deletions.exists()
    assert stored_files(main) == before
    assert Path(main.path, copy.path, "manifest.json.zst").exists()


def test_a_mark_is_whole_or_not_there(copy: BackupCopy, main: Repository) -> None:
    main.purge_delay = timedelta(days=3)
    main.save()
    killed_before(copy, "backups.stages.purge.decide.own", at_once=False)
    lose_expired(now() + timedelta(minutes=5))
    assert not copy.deletions.exists()
    assert purge(copy, force=True, at_once=False).status == JobStatus.SUCCEEDED
    assert copy.deletions.get().status == DeletionStatus.MARKED


@pytest.mark.parametrize("step", [DECIDE, EXPIRED, NO_MANIFEST, DELETED])
def test_a_due_deletion_is_carried_out_or_still_marked(
    copy: BackupCopy, main: Repository, step: str
) -> None:
    main.purge_delay = timedelta(days=3)
    main.save()
    purge(copy, force=True, at_once=False)
    copy.deletions.update(due_at=now())
    killed_before(copy, step, at_once=False, deletion=copy.deletions.get().pk)
    lose_expired(now() + timedelta(minutes=5))
    decided = step != DECIDE
    assert remove_leftovers() == decided
    copy.refresh_from_db()
    assert copy.status == (CopyStatus.PURGED if decided else CopyStatus.STORED)
    assert copy.deletions.get().status == ("deleted" if decided else "marked")
