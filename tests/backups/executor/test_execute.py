"""One job from claim to outcome: what it leaves in rows and in repositories."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection
from django.db.models import F
from django.utils.timezone import now
from pytest_django import Settings

from backups.exceptions import CancelRequested
from backups.executor import execute
from backups.jobs.cancel import request_cancel
from backups.jobs.request import create_backup_job
from backups.models import Backup, BackupCopy, Instance, Job, JobLogLine, Repository
from backups.repositories.directory import DirectoryStore
from backups.restores.option_file import OPTION_FILE
from backups.running.lease import INTERVAL_SECONDS
from backups.stages import backup
from backups.stages.backup.copy import Copy
from backups.stages.base import PlainStage
from backups.states import JobStatus, Operation, StageStatus
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FILES, LOCK_TIME, FakeEngine
from tests.backups.stage_lists import set_stages
from tests.backups.taking import Running, restore, run_here, stored_files, take_backup

pytestmark = pytest.mark.django_db(transaction=True)


def job_for(instance: Instance) -> Job:
    return create_backup_job(instance, wake=False)


def log_of(job: Job) -> str:
    return "\n".join(line.text for line in JobLogLine.objects.filter(job=job))


def stages_of(job: Job) -> dict[str, str]:
    return {stage.name: stage.status for stage in job.stages.all()}


def test_a_backup_becomes_one_row_and_nothing_is_left_over(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    job = run_here(job_for(orders))
    assert (job.status, job.error, job.leftovers) == (JobStatus.SUCCEEDED, "", False)
    made = Backup.objects.get()
    assert (made.made_by, made.label, made.to_lsn) == (job, job.label, 4711)
    assert (made.file_count, made.raw_bytes) == (len(FILES), sum(map(len, FILES.values())))
    assert (made.lock_time, job.lock_time) == (LOCK_TIME, LOCK_TIME)
    copy = BackupCopy.objects.get()
    assert (copy.status, copy.encrypted, copy.pack_count) == ("stored", True, 1)
    assert set(stages_of(job).values()) == {"succeeded", "skipped"}
    assert stages_of(job)["finish"] == StageStatus.SKIPPED
    assert job.exclusive_key is None
    assert job.lease_expires_at is None


def test_what_was_backed_up_is_what_is_restored(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    copy = take_backup(orders).copies.get()
    job = restore(copy, tmp_path / "restored", raw=False)
    assert (job.status, job.error) == (JobStatus.SUCCEEDED, "")
    target = tmp_path / "restored"
    # The options for a server on it are made here.
    assert 'innodb_page_size = "16384"' in (target / OPTION_FILE).read_text()
    (target / OPTION_FILE).unlink()
    found = {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*.*")}
    assert found == {name: FILES[name] for name in FILES if "." in name}
    assert not (target / ".mooring-restore").exists()


def test_two_copies_of_one_backup(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    second = make_repository("second", tmp_path / "second")
    made = take_backup(orders, main, second)
    assert {copy.repository for copy in made.copies.all()} == {main, second}
    names = [name for name in stored_files(main) if name != "mooring.json"]
    assert names
    for name in names:
        assert (Path(main.path) / name).read_bytes() == (Path(second.path) / name).read_bytes()


@pytest.mark.parametrize(
    ("trouble", "error", "hint"),
    [
        ({"fails_after": 5}, "copy failed: the fake tool exited with 1", "Repair the fake."),
        ({"fails_after": 0}, "copy failed: the fake tool exited with 1", "Repair the fake."),
        (
            {"end_marker": False},
            "copy failed: the fake tool did not report completion",
            "",
        ),
        (
            {"fails_after": 5, "failure": OSError(28, "No space left on device")},
            "copy failed: No space left on device",
            "Check the system log of the host, then start the job again.",
        ),
    ],
)
def test_an_engine_that_fails(
    orders: Instance,
    main: Repository,
    engine: FakeEngine,
    trouble: dict[str, object],
    error: str,
    hint: str,
) -> None:
    for name, value in trouble.items():
        setattr(engine, name, value)
    job = run_here(job_for(orders))
    assert (job.status, job.error, job.hint) == (JobStatus.FAILED, error, hint)
    assert (job.failed_stage, job.leftovers) == ("copy", False)
    assert stored_files(main) == ["mooring.json"]
    assert not Backup.objects.exists()
    assert stages_of(job)["copy"] == StageStatus.FAILED
    assert stages_of(job)["register"] == StageStatus.SKIPPED
    engine.fails_after, engine.end_marker = None, True
    take_backup(orders)


def test_ordered_to_end_while_it_tidies_up_it_still_ends_in_order(
    orders: Instance, main: Repository, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.fails_after = 5
    clean_up = Copy.clean_up

    def interrupted(*words: Any) -> None:
        clean_up(*words)
        raise SystemExit(143)

    monkeypatch.setattr(Copy, "clean_up", interrupted)
    job = job_for(orders)
    with pytest.raises(SystemExit):
        execute.execute(job)
    job.refresh_from_db()
    assert (job.status, job.exclusive_key, job.leftovers) == (JobStatus.FAILED, None, False)
    assert job.error.startswith("copy failed: ")
    assert stored_files(main) == ["mooring.json"]


@pytest.mark.parametrize(
    ("requeues", "hint"),
    [(False, "Start it again."), (True, "It was requested again as a new job.")],
)
def test_only_who_asks_again_says_so(
    orders: Instance,
    main: Repository,
    engine: FakeEngine,
    settings: Settings,
    requeues: bool,
    hint: str,
) -> None:
    settings.ON_SHUTDOWN = "requeue"
    engine.fails_after, engine.failure = 5, SystemExit(143)
    job = job_for(orders)
    with pytest.raises(SystemExit):
        execute.execute(job, requeues=requeues)
    job.refresh_from_db()
    assert job.hint == hint


def test_an_unexpected_error_is_reported_without_its_text(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    engine.fails_after, engine.failure = 2, RuntimeError("password=s3cret word")
    job = run_here(job_for(orders))
    assert job.error == "copy failed: unexpected RuntimeError"
    assert "worker's log" in job.hint
    assert "s3cret" not in f"{job.error}{job.hint}{log_of(job)}"
    assert "Traceback" not in f"{job.error}{log_of(job)}"


def test_cancelled_while_the_engine_blocks(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    engine.blocks_after = 4
    running = Running(job_for(orders))
    running.reach(engine.blocked)
    assert request_cancel(running.job, actor="anna")
    # Seen at the next beat: nothing else would end it.
    assert INTERVAL_SECONDS <= 1
    job = running.end()
    assert (job.status, job.error, job.hint) == (JobStatus.CANCELLED, "", "")
    assert stored_files(main) == ["mooring.json"]
    assert not Backup.objects.exists()
    assert not set(stages_of(job).values()) & {"running", "pending"}


def test_whoever_lost_the_lease_stops_and_writes_nothing(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    engine.blocks_after = 4
    running = Running(job_for(orders))
    running.reach(engine.blocked)
    Job.objects.filter(pk=running.job.pk).update(fencing_token=F("fencing_token") + 1)
    job = running.end()
    # It is still the other process's to end.
    assert (job.status, job.error, job.ended_at) == (JobStatus.RUNNING, "", None)
    assert stored_files(main) == ["mooring.json"]
    assert not Backup.objects.exists()


def test_a_lease_lost_at_the_last_moment_registers_nothing(
    orders: Instance, main: Repository, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Thief(PlainStage[object]):
        name = "theft"

        def run(self, run: object, work: object) -> str:
            Job.objects.update(fencing_token=F("fencing_token") + 1)
            return ""

    stages = (*backup.STAGES[2:-1], Thief(), backup.STAGES[-1])
    set_stages(Operation.BACKUP, stages, monkeypatch)
    job = run_here(job_for(orders))
    assert job.status == JobStatus.RUNNING
    assert stored_files(main) == ["mooring.json"]
    assert not Backup.objects.exists()


def test_a_silent_engine_has_stalled(
    orders: Instance, main: Repository, engine: FakeEngine, settings: Settings
) -> None:
    settings.STALL_SECONDS = 2
    engine.blocks_after = 0
    job = run_here(job_for(orders))
    assert job.status == JobStatus.FAILED
    assert job.error.startswith("copy failed: stalled in file copy: no byte and no log line for ")
    assert job.error.endswith("last log line: copying shop/orders.ibd")
    assert "MOORING_STALL_SECONDS" in job.hint
    assert stored_files(main) == ["mooring.json"]


def test_a_flood_of_log_lines_is_bounded(
    orders: Instance, main: Repository, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.running.run.MAX_UNWRITTEN_LINES", 100)
    engine.chatter = 5000
    job = run_here(job_for(orders))
    assert job.status == JobStatus.SUCCEEDED
    lines = JobLogLine.objects.filter(job=job)
    assert lines.count() < 1000
    unkept = sum(
        int(line.text.split()[0]) for line in lines if line.text.endswith("could be written")
    )
    # Every line was kept or counted: the flood, one line of copying.
    assert lines.filter(source="fake").count() + unkept == 5001


def test_a_folder_that_is_there_already_is_refused_and_stays(
    orders: Instance, main: Repository, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = take_backup(orders)
    before = stored_files(main)
    # Another Mooring, or a clock set back, may give the same second again.
    monkeypatch.setattr("backups.stages.backup.work.BackupWork.label", first.label)
    job = run_here(job_for(orders))
    assert job.status == JobStatus.FAILED
    assert "already has a backup" in job.error
    assert stored_files(main) == before
    assert not job.leftovers


def test_two_backups_within_a_second_have_two_labels(
    orders: Instance, main: Repository, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = now().replace(microsecond=0)
    with time_machine.travel(moment, tick=False):
        first, second = take_backup(orders), take_backup(orders)
    assert first.label.endswith(f"{moment:%H%M%S}Z-F")
    assert second.label.endswith(f"{moment + timedelta(seconds=1):%H%M%S}Z-F")


def test_what_fails_after_the_backup_was_registered_removes_nothing(
    orders: Instance, main: Repository, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stumble(PlainStage[object]):
        name = "stumble"

        def run(self, run: object, work: object) -> str:
            raise CancelRequested

    stages = (*backup.STAGES[2:], Stumble())
    set_stages(Operation.BACKUP, stages, monkeypatch)
    run_here(job_for(orders))
    made = Backup.objects.get()
    assert DirectoryStore(Path(main.path)).exists(f"{made.copies.get().path}/manifest.json.zst")


def test_a_job_that_cannot_even_begin_fails_at_once(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    job = job_for(orders)
    Job.objects.filter(pk=job.pk).update(engine="gone")
    job = run_here(Job.objects.get(pk=job.pk))
    assert job.status == JobStatus.FAILED
    assert job.error.startswith("start failed: no engine is called 'gone'")


def test_an_ended_job_is_not_run_again(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    job = run_here(job_for(orders))
    assert not execute.execute(job)
    assert engine.copies == 1


def test_two_backups_of_one_instance_never_run_at_the_same_time(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    engine.blocks_after = 4
    second = job_for(orders)
    # As if both had been requested in the same moment.
    Job.objects.filter(pk=second.pk).update(instance=Instance.objects.create(name="other").pk)
    running = Running(job_for(orders))
    Job.objects.filter(pk=second.pk).update(instance=orders)
    running.reach(engine.blocked)
    assert not execute.execute(Job.objects.get(pk=second.pk))
    request_cancel(running.job, actor="anna")
    running.end()
    engine.blocks_after = None
    assert run_here(Job.objects.get(pk=second.pk)).status == JobStatus.SUCCEEDED


def test_a_pulse_that_cannot_write_ends_the_job(
    orders: Instance, main: Repository, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.blocks_after = 4
    # A sub-operation its engine never announced.
    monkeypatch.setattr(FakeEngine, "stages", ("backup lock", "finish"))
    job = Running(job_for(orders)).end()
    assert job.status == JobStatus.FAILED
    assert job.error == "copy failed: unexpected KeyError"
    assert stored_files(main) == ["mooring.json"]


def test_progress_is_written_while_it_runs(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    engine.blocks_after = 4
    running = Running(job_for(orders))
    running.reach(engine.blocked)
    lease = Job.objects.get(pk=running.job.pk).lease_expires_at
    assert lease is not None
    # Log lines are written last: progress and stages are there by then.
    running.reach(lambda: bool(log_of(running.job)))
    job = Job.objects.get(pk=running.job.pk)
    assert job.progress_at is not None
    assert job.stages.get(name="file copy").status == StageStatus.RUNNING
    assert "copying shop/orders.ibd" in log_of(job)
    request_cancel(job, actor="anna")
    running.end()


def test_a_database_that_was_restarted_meanwhile_costs_nothing(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    engine.blocks_after, engine.goes_on = 4, True
    running = Running(job_for(orders))
    running.reach(engine.blocked)
    if connection.vendor == "postgresql":
        # SQLite has no server that could go away.
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert cursor.fetchall()
    engine.stopped.set()
    job = running.end()
    assert (job.status, job.error) == (JobStatus.SUCCEEDED, "")


def test_an_outcome_waits_for_an_unreachable_database(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    refusals = [OperationalError("the database is unreachable")] * 2

    # Any: the wrapper passes on whatever Django executes.
    def away(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if refusals and sql.startswith("UPDATE") and '"failure_key" =' in sql:
            raise refusals.pop()
        return execute(sql, params, many, context)

    job = job_for(orders)
    with connection.execute_wrapper(away):
        run_here(job)

    job.refresh_from_db()
    assert (job.status, refusals) == (JobStatus.SUCCEEDED, [])
