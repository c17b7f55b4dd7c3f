"""Silence, sleep, shutdown: how a running job ends that nobody asked to end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError
from django.db.models import F
from pytest_django import Settings

from backups.archive.writer import ArchiveWriter
from backups.exceptions import LeaseLost
from backups.executor import execute
from backups.executor.leftovers import remove_leftovers
from backups.jobs.request import create_backup_job, request_again
from backups.models import Backup, Instance, Job, Repository
from backups.running.run import Run, boot_clock
from backups.stages import backup
from backups.stages.base import PlainStage
from backups.states import JobStatus, Operation
from backups.tasks import run_job
from tests.backups.fake_engine import FakeEngine
from tests.backups.stage_lists import set_stages
from tests.backups.taking import Running, restore, run_here, stored_files

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job(orders: Instance, main: Repository, engine: FakeEngine) -> Job:
    return create_backup_job(orders, wake=False)


class TestStall:
    def test_the_error_names_stage_step_and_the_last_sign_of_life(
        self, job: Job, engine: FakeEngine, settings: Settings
    ) -> None:
        settings.STALL_SECONDS, engine.blocks_after = 1, 0
        ended = run_here(job)
        assert ended.error.startswith("copy failed: stalled in file copy: no byte and no log line")
        assert ended.error.endswith("last log line: copying shop/orders.ibd")

    def test_a_long_sync_of_a_restore_is_no_stall(
        self,
        job: Job,
        engine: FakeEngine,
        settings: Settings,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        copy = Backup.objects.get(made_by=run_here(job)).copies.get()
        programs = tmp_path / "programs"
        programs.mkdir()
        (programs / "sync").write_text("#!/bin/sh\nexec sleep 3\n")
        (programs / "sync").chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        settings.STALL_SECONDS = 1
        ended = restore(copy, tmp_path / "restored")
        assert (ended.status, ended.error) == (JobStatus.SUCCEEDED, "")

    @pytest.mark.parametrize("name", ["copy", "file copy"])
    def test_a_stage_may_have_a_limit_of_its_own(
        self, job: Job, engine: FakeEngine, settings: Settings, name: str
    ) -> None:
        settings.STALL_SECONDS, engine.blocks_after = 900, 0
        settings.STALL_SECONDS_OF_STAGES = {name: 1, "manifest": 2}
        assert run_here(job).status == JobStatus.FAILED

    def test_a_longer_limit_of_a_stage_counts_too(
        self, job: Job, engine: FakeEngine, settings: Settings
    ) -> None:
        run = Run(job)
        settings.STALL_SECONDS_OF_STAGES = {"copy": 50, "file copy": 70}
        run.stage = "extract"
        assert run.patience == settings.STALL_SECONDS
        run.stage = "copy"
        assert run.patience == 50
        run.step = "file copy"
        assert run.patience == 70


class TestSleep:
    """A process that slept past its lease: its own clock tells it before the database does."""

    def test_the_first_check_after_it_woke_up_stops_it(self, job: Job) -> None:
        run = Run(job)
        run.hold_lease_until(boot_clock() + 60)
        run.check()
        run.hold_lease_until(boot_clock())
        with pytest.raises(LeaseLost, match="expired before it could be renewed"):
            run.check()
        # For good: a lease that was lost is not found again.
        run.hold_lease_until(boot_clock() + 60)
        with pytest.raises(LeaseLost):
            run.check()

    def test_it_writes_no_pack_once_another_has_cleared_up(
        self, job: Job, main: Repository, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As after SIGSTOP: no thread of its own has run since, the tick has."""
        seen: list[list[str]] = []
        runs: list[Run] = []
        write = ArchiveWriter.finish

        def finish(self: ArchiveWriter) -> object:
            Job.objects.filter(pk=job.pk).update(
                status=JobStatus.LOST, fencing_token=F("fencing_token") + 1
            )
            assert remove_leftovers() == 1
            seen.append(stored_files(main))
            runs[0].hold_lease_until(boot_clock() - 1)
            try:
                return write(self)
            finally:
                seen.append(stored_files(main))

        class RememberedRun(Run):
            def __init__(self, job: Job) -> None:
                super().__init__(job)
                runs.append(self)

        monkeypatch.setattr(execute, "Run", RememberedRun)
        monkeypatch.setattr(ArchiveWriter, "finish", finish)
        ended = run_here(job)
        assert seen == [["mooring.json"]] * 2
        assert (ended.status, ended.ended_at, Backup.objects.count()) == (JobStatus.LOST, None, 0)
        assert stored_files(main) == ["mooring.json"]

    def test_it_changes_no_row_afterwards(
        self, job: Job, main: Repository, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Thief(PlainStage[object]):
            name = "theft"

            def run(self, run: object, work: object) -> str:
                Job.objects.update(fencing_token=F("fencing_token") + 1, leftovers=True)
                job.stages.update(bytes_done=4711)
                return ""

        stages = (backup.STAGES[2], Thief())
        set_stages(Operation.BACKUP, stages, monkeypatch)
        run_here(job)
        assert set(job.stages.values_list("bytes_done", flat=True)) == {4711}
        # Its bytes are gone, but that is for the one who has the job now to say.
        job.refresh_from_db()
        assert (job.leftovers, stored_files(main)) == (True, ["mooring.json"])


class TestShutdown:
    """A worker ordered to end now: SystemExit comes in wherever it works."""

    @pytest.fixture
    def stopped(self, engine: FakeEngine) -> Iterator[FakeEngine]:
        engine.fails_after, engine.failure = 5, SystemExit(143)
        yield engine

    def test_the_job_fails_in_order_and_the_process_ends(
        self, job: Job, main: Repository, stopped: FakeEngine
    ) -> None:
        with pytest.raises(SystemExit):
            run_job(job.pk)
        job.refresh_from_db()
        assert (job.status, job.error) == ("failed", "copy failed: the worker was shut down")
        assert (job.hint, job.leftovers) == ("Start it again.", False)
        assert stored_files(main) == ["mooring.json"]
        assert Job.objects.count() == 1

    def test_it_is_requested_again_where_that_is_wanted(
        self, job: Job, main: Repository, stopped: FakeEngine, settings: Settings
    ) -> None:
        settings.ON_SHUTDOWN = "requeue"
        with pytest.raises(SystemExit):
            run_job(job.pk)
        again = Job.objects.get(status=JobStatus.PENDING)
        assert (again.instance, again.kind, again.engine) == (job.instance, "full", "fake")
        assert list(again.repositories.all()) == [main]
        stopped.fails_after = None
        assert run_here(again).status == JobStatus.SUCCEEDED

    def test_it_ends_and_is_requested_again_together_or_not_at_all(
        self, job: Job, stopped: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.ON_SHUTDOWN = "requeue"
        seen: list[str] = []

        def away_once(ended: Job) -> Job | None:
            seen.append(ended.status)
            if len(seen) == 1:
                raise OperationalError("the database is unreachable")
            return request_again(ended)

        monkeypatch.setattr(execute, "request_again", away_once)
        with pytest.raises(SystemExit):
            run_job(job.pk)
        job.refresh_from_db()
        assert (seen, job.status) == (["failed", "failed"], "failed")
        assert Job.objects.filter(status=JobStatus.PENDING).count() == 1

    def test_one_that_was_to_be_cancelled_is_not_requested_again(
        self, job: Job, stopped: FakeEngine, settings: Settings
    ) -> None:
        settings.ON_SHUTDOWN = "requeue"
        Job.objects.update(cancel_requested=True, status=JobStatus.RUNNING)
        job.refresh_from_db()
        assert request_again(job) is None


def test_a_message_that_comes_twice_runs_the_job_once(job: Job, engine: FakeEngine) -> None:
    run_job(job.pk)
    run_job(job.pk)
    assert (engine.copies, Job.objects.get().status) == (1, JobStatus.SUCCEEDED)


def test_a_message_that_comes_again_while_it_runs_is_dropped(
    job: Job, main: Repository, engine: FakeEngine
) -> None:
    engine.blocks_after, engine.goes_on = 4, True
    running = Running(job)
    running.reach(engine.blocked)
    # Were it run again, it would wait for an engine that nobody stops.
    run_job(job.pk)
    engine.stopped.set()
    assert (running.end().status, engine.copies) == (JobStatus.SUCCEEDED, 1)
