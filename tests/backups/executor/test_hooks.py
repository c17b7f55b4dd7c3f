"""Hooks in jobs: in which order they run, what their failure means, and that after hooks run."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.exceptions import BadInput, LeaseLost
from backups.hooks.owed import owed_here, run_owed
from backups.hooks.rows import write_rows
from backups.hooks.selection import hooks_for
from backups.jobs.cancel import request_cancel
from backups.jobs.request import create_backup_job
from backups.models import (
    Backup,
    BackupSchedule,
    HookRun,
    Instance,
    Job,
    JobLogLine,
    Occurrence,
    Repository,
)
from backups.running.run import Run
from backups.stages.backup.copy import Copy
from backups.stages.hook import RunHook
from backups.states import JobStatus, StageStatus
from backups.tasks import run_owed_hooks
from backups.transitions.jobs import claim
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.hooks.lost import lost_job, row, rows_of
from tests.backups.hooks.made import Hooks, shell_hook
from tests.backups.taking import (
    Running,
    made_by_schedule,
    restore,
    run_here,
    stored_files,
    take_backup,
)

pytestmark = pytest.mark.django_db(transaction=True)


def stages_of(job: Job) -> list[tuple[str, str]]:
    return [
        (stage.name.partition(" ")[2], stage.status)
        for stage in job.stages.filter(name__startswith="hook ")
    ]


def backup_of(instance: Instance) -> Job:
    return run_here(create_backup_job(instance, wake=False))


def test_the_order_of_hooks_in_a_backup(
    orders: Instance, main: Repository, engine: FakeEngine, hooks: Hooks
) -> None:
    hooks.write(
        hooks.note("last", "after"),
        hooks.note("release", "after-copy"),
        hooks.note("first", "before"),
        hooks.note("second", "before"),
        hooks.note("hold", "before-copy"),
        hooks.note("of-failures", "after", 'on = "failure"'),
    )
    job = backup_of(orders)
    assert (job.status, job.problems) == (JobStatus.SUCCEEDED, "")
    expected = ["first ", "second ", "hold ", "release succeeded", "last succeeded"]
    assert hooks.ran == expected
    names = list(job.stages.filter(parent=None).values_list("name", flat=True))
    assert names == [
        "hook before: first", "hook before: second", "hook before-copy: hold", "copy",
        "hook after-copy: release", "manifest", "read-back", "register",
        "hook after: last", "hook after: of-failures",
    ]  # fmt: skip
    assert stages_of(job)[-2:] == [
        ("after: last", StageStatus.SUCCEEDED),
        ("after: of-failures", StageStatus.SKIPPED),
    ]
    assert ("last", False, 0, "") in rows_of(job)
    assert ("of-failures", False, None, "") in rows_of(job)
    assert not HookRun.objects.filter(open=True).exists()


def test_a_before_hook_that_fails_refuses_the_job(
    orders: Instance, main: Repository, engine: FakeEngine, hooks: Hooks
) -> None:
    hooks.write(
        hooks.note("mount", "before", then="echo no such share >&2; exit 32"),
        hooks.note("never", "before"),
        hooks.note("hold", "before-copy"),
        hooks.note("release", "after-copy"),
        hooks.note("unmount", "after"),
        hooks.note("of-success", "after", 'on = "success"'),
    )
    job = backup_of(orders)
    assert job.status == JobStatus.REFUSED
    assert job.error == "hook before: mount refused: exit code 32: no such share"
    assert (job.failed_stage, engine.copies) == ("hook before: mount", 0)
    # What was to undo it ran; what undoes a hook that never ran did not.
    assert hooks.ran == ["mount ", "unmount refused"]
    assert stages_of(job)[0] == ("before: mount", StageStatus.REFUSED)
    assert not HookRun.objects.filter(open=True).exists()
    assert run_owed() == 0


def test_hooks_that_only_warn_leave_a_job_with_problems(
    orders: Instance, main: Repository, engine: FakeEngine, hooks: Hooks
) -> None:
    hooks.write(
        hooks.note("hint", "before", 'on_failure = "warn"', then="exit 2"),
        hooks.note("report", "after", then="exit 4"),
    )
    job = backup_of(orders)
    assert (job.status, job.exit_words) == (JobStatus.SUCCEEDED, "succeeded with problems")
    assert job.problems == "hook before: hint: exit code 2\nhook after: report: exit code 4"
    assert {status for _, status in stages_of(job)} == {StageStatus.FAILED}
    assert Backup.objects.filter(made_by=job).exists()
    assert "hook before: hint: exit code 2" in JobLogLine.objects.values_list("text", flat=True)


def test_what_a_hook_writes_is_one_line_of_text(
    orders: Instance, main: Repository, engine: FakeEngine, hooks: Hooks
) -> None:
    hooks.write(shell_hook("odd", "before", r"printf 'a\000b\rc\201' >&2; exit 1"))
    job = backup_of(orders)
    assert job.error == "hook before: odd refused: exit code 1: ab c\N{REPLACEMENT CHARACTER}"
    assert rows_of(job) == [("odd", False, 1, "exit code 1: ab c\N{REPLACEMENT CHARACTER}")]


def test_a_copy_that_fails_is_released_before_it_is_cleaned_up(
    orders: Instance,
    main: Repository,
    engine: FakeEngine,
    hooks: Hooks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine.fails_after = 5
    clean_up = Copy.clean_up

    def noted(*words: Any) -> None:
        with hooks.notes.open("a") as notes:
            notes.write("clean-up\n")
        clean_up(*words)

    monkeypatch.setattr(Copy, "clean_up", noted)
    hooks.write(
        hooks.note("hold", "before-copy"),
        hooks.note("release", "after-copy"),
        hooks.note("last", "after"),
    )
    job = backup_of(orders)
    assert job.error == "copy failed: the fake tool exited with 1"
    assert hooks.ran == ["hold ", "release failed", "clean-up", "last failed"]
    assert stored_files(main) == ["mooring.json"]


def test_the_variables_of_a_hook(
    orders: Instance, main: Repository, engine: FakeEngine, hooks: Hooks, tmp_path: Path
) -> None:
    script = f"env | grep ^MOORING_ | sort > {hooks.notes}"
    hooks.write(shell_hook("report", "after", script, 'operations = ["backup", "restore"]'))
    made = take_backup(orders)
    found = dict(line.split("=", 1) for line in hooks.ran)
    assert found.pop("MOORING_BYTES").isdigit()
    assert found == {
        "MOORING_HOOK": "report", "MOORING_WHEN": "after", "MOORING_JOB": str(made.made_by_id),
        "MOORING_OPERATION": "backup", "MOORING_KIND": "full", "MOORING_INSTANCE": "orders-1",
        "MOORING_HOST": "127.0.0.1", "MOORING_PORT": "3307", "MOORING_SOCKET": "",
        "MOORING_ENGINE": "fake", "MOORING_SCHEDULE": "", "MOORING_REPOSITORIES": "main",
        "MOORING_LABEL": made.label, "MOORING_TARGET": "", "MOORING_RESULT": "succeeded",
        "MOORING_ERROR": "",
    }  # fmt: skip
    restore(made.copies.get(), tmp_path / "restored")
    found = dict(line.split("=", 1) for line in hooks.ran)
    assert (found["MOORING_OPERATION"], found["MOORING_LABEL"]) == ("restore", made.label)
    assert found["MOORING_TARGET"] == str(tmp_path / "restored")


def test_hooks_of_a_schedule_run_in_its_jobs_only(
    orders: Instance, main: Repository, engine: FakeEngine, hooks: Hooks
) -> None:
    hooks.write(hooks.note("nightly", "before", 'schedules = ["nightly"]'))
    made = take_backup(orders)
    assert hooks.ran == []
    schedule = BackupSchedule.objects.create(name="nightly", cron="0 1 * * *", covers_all=True)
    made_by_schedule(schedule, made)
    planned = Occurrence.objects.get()
    job = create_backup_job(orders, wake=False)
    Job.objects.filter(pk=job.pk).update(occurrence=planned)
    assert run_here(Job.objects.get(pk=job.pk)).status == JobStatus.SUCCEEDED
    assert hooks.ran == ["nightly "]


def test_a_hooks_file_that_others_may_write_stops_the_job(
    orders: Instance, main: Repository, engine: FakeEngine, hooks: Hooks, settings: Settings
) -> None:
    hooks.write(hooks.note("first", "before"))
    settings.HOOKS_FILE.chmod(0o666)
    job = backup_of(orders)
    assert job.status == JobStatus.FAILED
    assert "could be changed by others" in job.error
    assert hooks.ran == []


def test_a_cancel_ends_a_before_hook_and_after_hooks_run(
    orders: Instance, main: Repository, engine: FakeEngine, hooks: Hooks
) -> None:
    hooks.write(
        hooks.note("slow", "before", then="sleep 600"),
        # A cancel is no reason to leave it out, or to end it.
        hooks.note("undo", "after", then="sleep 0.5; echo undone"),
    )
    running = Running(create_backup_job(orders, wake=False))
    running.reach(lambda: hooks.ran == ["slow "])
    assert request_cancel(Job.objects.get(pk=running.job.pk), actor="anna")
    job = running.end()
    assert (job.status, job.failed_stage) == (JobStatus.CANCELLED, "hook before: slow")
    assert hooks.ran == ["slow ", "undo cancelled"]
    assert rows_of(job) == [("slow", False, None, "was stopped"), ("undo", False, 0, "")]
    assert "undone" in JobLogLine.objects.values_list("text", flat=True)


def killed_in_hook(job: Job) -> None:
    row(job, 0, "hold", "before-copy", started_at=now())
    row(job, 1, "release", "after-copy")
    row(job, 2, "of-success", "after")
    row(job, 3, "last", "after")


def killed_early(job: Job) -> None:
    row(job, 0, "release", "after-copy")
    row(job, 1, "last", "after")


@pytest.mark.parametrize(
    ("reach", "ran"),
    [(killed_in_hook, ["release lost", "last lost"]), (killed_early, ["last lost"])],
)
def test_what_a_lost_job_owes_is_run_once_by_the_tick(
    orders: Instance, hooks: Hooks, reach: Callable[[Job], None], ran: list[str]
) -> None:
    hooks.write(
        hooks.note("hold", "before-copy"),
        hooks.note("release", "after-copy"),
        hooks.note("of-success", "after", 'on = "success"'),
        hooks.note("last", "after", then="echo careful; exit 3"),
    )
    job = lost_job(orders, reach)
    run_owed_hooks()
    assert hooks.ran == ran
    assert rows_of(job)[-1] == ("last", False, 3, "exit code 3: careful")
    lines = JobLogLine.objects.filter(job=job)
    assert ("last", "info", "careful") in lines.values_list("source", "level", "text")
    run_owed_hooks()
    assert hooks.ran == ran
    assert not HookRun.objects.filter(open=True).exists()


def test_the_next_job_runs_them_before_its_own(
    orders: Instance, main: Repository, engine: FakeEngine, hooks: Hooks
) -> None:
    hooks.write(hooks.note("hold", "before-copy"), hooks.note("release", "after-copy"))
    lost_job(orders, killed_in_hook)
    job = backup_of(orders)
    assert job.status == JobStatus.SUCCEEDED
    assert hooks.ran == ["release lost", "hold ", "release succeeded"]
    first = job.stages.earliest("position")
    assert (first.name, first.detail) == ("hooks of lost jobs", "1 run")


def test_hooks_of_another_host_or_a_running_job_are_not_ours(
    orders: Instance, hooks: Hooks
) -> None:
    hooks.write(hooks.note("last", "after"))
    job = lost_job(orders, lambda job: row(job, 0, "last", "after"))
    HookRun.objects.update(host="elsewhere")
    assert run_owed() == 0
    HookRun.objects.update(host=socket.gethostname())
    Job.objects.filter(pk=job.pk).update(status="running")
    assert not owed_here().exists()


def test_what_is_owed_waits_for_a_file_that_can_be_trusted(
    orders: Instance, hooks: Hooks, settings: Settings
) -> None:
    hooks.write(hooks.note("last", "after"))
    lost_job(orders, lambda job: row(job, 0, "last", "after"))
    settings.HOOKS_FILE.chmod(0o666)
    assert run_owed() == 0
    with pytest.raises(BadInput, match="could be changed by others"):
        run_owed(check=lambda: None)
    settings.HOOKS_FILE.chmod(0o600)
    assert run_owed() == 1


def test_a_hook_that_is_no_longer_in_the_file_is_closed_in_words(
    orders: Instance, hooks: Hooks
) -> None:
    job = lost_job(orders, lambda job: row(job, 0, "last", "after"))
    # A file that is not there may be on a disk that is not mounted yet.
    assert run_owed() == 0
    assert owed_here().exists()
    hooks.write()
    assert run_owed() == 0
    problem = "did not run: it is no longer in the hooks file"
    assert rows_of(job) == [("last", False, None, problem)]


def test_a_shutdown_during_an_after_hook_leaves_it_to_the_tick(
    orders: Instance,
    main: Repository,
    engine: FakeEngine,
    hooks: Hooks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hooks.write(hooks.note("last", "after"))
    monkeypatch.setattr("backups.stages.hook.run_hook", interrupted)
    with pytest.raises(SystemExit):
        backup_of(orders)
    job = Job.objects.get()
    assert (job.status, hooks.ran) == (JobStatus.SUCCEEDED, [])
    assert run_owed() == 1
    assert hooks.ran == ["last succeeded"]


def interrupted(*_: object) -> None:
    raise SystemExit(143)


@pytest.mark.parametrize("when", ["before", "after-copy", "after"])
def test_a_worker_whose_lease_has_expired_leaves_its_hook_to_others(
    orders: Instance, hooks: Hooks, when: str
) -> None:
    hooks.write(hooks.note("last", when, then="sleep 600"))
    job = Job.objects.create(operation="backup", instance=orders, kind="full", engine="fake")
    assert claim(job, worker="here:1", exclusive_key="a", now=now())
    # Nobody has noticed yet but the worker itself, by its own clock.
    run = Run(job)
    (hook,) = hooks_for(job)
    (kept,) = write_rows(job, [hook])
    run.hold_lease_until(0)
    with pytest.raises(LeaseLost):
        RunHook(hook, kept).run(run, None)
    assert rows_of(job) == [("last", True, None, "")]


def test_problems_of_hooks_come_after_those_of_copies(
    orders: Instance, main: Repository, engine: FakeEngine, hooks: Hooks, tmp_path: Path
) -> None:
    hooks.write(hooks.note("report", "after", then="exit 4"))
    gone = make_repository("gone", tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    job = run_here(create_backup_job(orders, repositories=[main, gone], wake=False))
    assert job.exit_words == "succeeded with problems"
    first, second = job.problems.splitlines()
    assert first.startswith("copy in gone ")
    assert second == "hook after: report: exit code 4"
