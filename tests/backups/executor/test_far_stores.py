"""How does each operation end whose disk, bucket or SFTP server fails on its way?

In order, with nothing left, with no word against the copy; and it succeeds when it is run again.
Every stage, with a folder: tests/live/test_matrix.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from pytest_django import Settings

from backups.access import store_of
from backups.executor.leftovers import remove_leftovers
from backups.executor.operations import PLANS
from backups.jobs.consolidation import create_consolidate_job
from backups.jobs.copying import create_copying_job
from backups.jobs.export import create_export_job
from backups.jobs.request import create_backup_job, create_copy_job, create_restore_job
from backups.models import BackupCopy, Evidence, Instance, Job, LimitPlace, Repository
from backups.parameters import PurgeParameters
from backups.repositories.layout import manifest_name
from backups.repositories.objects import clients, connection, upload
from backups.repositories.wrappers import retry
from backups.states import CopyStatus, JobStatus, Operation
from tests.backups.executor.far_stores import FAR_STORES, FarStore
from tests.backups.fake_engine import FakeEngine
from tests.backups.stage_lists import set_stages
from tests.backups.taking import run_here, take_backup

pytestmark = pytest.mark.django_db(transaction=True)

# Where the store fails: in the stage that reads or writes most.
STAGES = {
    Operation.BACKUP: "copy",
    Operation.RESTORE: "extract",
    Operation.VERIFY: "read packs",
    Operation.RESTORE_TEST: "extract",
    Operation.CONSOLIDATE: "merge",
    Operation.EXPORT: "write file",
    Operation.PURGE: "delete",
    Operation.COPY: "copy backups",
}


class FailingAt:
    """A stage in whose work something fails, once. Any: as in the operations table."""

    def __init__(self, stage: Any, fail: Callable[[], None]) -> None:
        self._stage, self._fail, self._once = stage, fail, Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)

    def run(self, run: Any, work: Any) -> str:
        check = run.check

        def fail_once() -> None:
            if self._once.acquire(blocking=False):
                self._fail()
            check()

        if self._stage.name == "delete":
            # It does not look whether it must stop.
            fail_once()
        run.check = fail_once
        return str(self._stage.run(run, work))


@pytest.fixture(params=FAR_STORES)
def far(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    settings: Settings,
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FarStore]:
    """Nothing is tried again."""
    for name in ("TRIES", "PART_TRIES"):
        monkeypatch.setattr(clients, name, 0)
    monkeypatch.setattr(connection, "TRIES", 0)
    monkeypatch.setattr(upload, "PUT_WAITS", ())
    monkeypatch.setattr(retry, "DELAYS", ())
    with FAR_STORES[request.param](tmp_path, settings) as far:
        yield far


def request_job(
    operation: Operation, orders: Instance, copy: BackupCopy, target: Repository, folder: Path
) -> Job:
    match operation:
        case Operation.BACKUP:
            return create_backup_job(orders, repositories=[copy.repository], wake=False)
        case Operation.RESTORE:
            return create_restore_job(copy, folder / "restored", raw=True, wake=False)
        case Operation.CONSOLIDATE:
            return create_consolidate_job(copy, wake=False)
        case Operation.EXPORT:
            return create_export_job(copy, folder / "exported.tar", wake=False)
        case Operation.COPY:
            return create_copying_job(copy, target, wake=False)
        case Operation.PURGE:
            asked = PurgeParameters("a test", force=True, at_once=True)
            return create_copy_job(operation, copy, parameters=asked, wake=False)
    return create_copy_job(operation, copy, wake=False)


def assert_nothing_left(far: FarStore, folder: Path) -> None:
    assert not Job.objects.filter(leftovers=True).exists()
    assert not Job.objects.exclude(exclusive_key=None).exists()
    assert not LimitPlace.objects.exists()
    # No word against a copy.
    assert not Evidence.objects.filter(passed=False).exists()
    assert not BackupCopy.objects.exclude(fault="").exists()
    there = BackupCopy.objects.filter(repository=far.row, status=CopyStatus.STORED)
    folders = {name.partition("/packs/")[0] for name in store_of(far.row).list("instances")}
    paths = set(there.values_list("path", flat=True))
    assert folders == paths | {manifest_name(path) for path in paths}
    assert not [*folder.glob("restored"), *folder.glob("scratch/*"), *folder.glob("*.tar*")]
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize("operation", STAGES)
def test_an_operation_whose_store_fails(
    far: FarStore,
    operation: Operation,
    orders: Instance,
    main: Repository,
    engine: FakeEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_backup(orders, far.row)
    incremental = create_backup_job(orders, kind="incremental", repositories=[far.row], wake=False)
    assert run_here(incremental).status == JobStatus.SUCCEEDED
    copy = BackupCopy.objects.latest("id")
    stages = [
        FailingAt(stage, far.fail) if stage.name == STAGES[operation] else stage
        for stage in PLANS[operation].known_stages
    ]
    set_stages(operation, stages, monkeypatch)

    job = run_here(request_job(operation, orders, copy, main, tmp_path))
    far.repair()
    assert (job.status, job.failed_stage) in (
        (JobStatus.FAILED, STAGES[operation]),
        (JobStatus.REFUSED, STAGES[operation]),
    )
    assert (bool(job.error), bool(job.hint), "unexpected" in job.error) == (True, True, False)
    remove_leftovers()
    assert_nothing_left(far, tmp_path)
    copy.refresh_from_db()
    if operation is Operation.PURGE:
        assert copy.status == CopyStatus.PURGED
    elif operation is not Operation.RESTORE_TEST:
        # The files of this engine start no server.
        again = run_here(request_job(operation, orders, copy, main, tmp_path))
        assert (again.status, again.error) == (JobStatus.SUCCEEDED, "")
