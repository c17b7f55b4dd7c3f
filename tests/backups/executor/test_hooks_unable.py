"""After hooks that could not even begin: they stay open, are tried again, and hold up no other."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.exceptions import CancelRequested, LeaseLost
from backups.hooks import owed
from backups.hooks.definition import Hook, HookResult
from backups.hooks.owed import run_owed
from backups.hooks.rows import write_rows
from backups.hooks.run import run_hook
from backups.hooks.run_command import HookWatch
from backups.hooks.selection import hooks_for
from backups.hooks.variables import HookMoment
from backups.jobs.request import create_backup_job
from backups.models import HookRun, Instance, Job, JobLogLine, Repository
from backups.running.run import Run
from backups.stages.hook import RunHook
from backups.states import JobStatus
from backups.transitions.jobs import claim
from tests.backups.fake_engine import FakeEngine
from tests.backups.hooks.lost import lost_job, row, rows_of
from tests.backups.hooks.made import OURSELVES, Hooks
from tests.backups.taking import run_here

pytestmark = pytest.mark.django_db(transaction=True)

MISSING = "could not be started: {program} cannot be run: No such file or directory"
A_DAY = timedelta(days=1)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Where the program of a hook is to be; it is not there yet."""
    return tmp_path / "undo"


def write_program(program: Path, notes: Path) -> None:
    program.write_text(f'#!/bin/sh\necho "$MOORING_HOOK $MOORING_RESULT" >> {notes}\n')
    program.chmod(stat.S_IRWXU)


def entry(name: str, program: Path) -> str:
    return f'[{name}]\nwhen = "after"\nuser = "{OURSELVES}"\ncommand = ["{program}"]\n'


def a_minute_later() -> None:
    HookRun.objects.update(started_at=now() - owed.RETRY_AFTER)


def test_one_that_could_not_begin_is_run_by_the_tick(
    orders: Instance, main: Repository, engine: FakeEngine, hooks: Hooks, program: Path
) -> None:
    hooks.write(entry("undo", program), hooks.note("last", "after"))
    job = run_here(create_backup_job(orders, wake=False))
    missing = MISSING.format(program=program)
    assert job.problems == f"hook after: undo: {missing}; it is tried again for a day"
    assert rows_of(job) == [("undo", True, None, missing), ("last", False, 0, "")]
    # Not at once: the tick comes every few seconds.
    write_program(program, hooks.notes)
    assert run_owed() == 0
    a_minute_later()
    assert run_owed() == 1
    assert hooks.ran == ["last succeeded", "undo succeeded"]
    assert rows_of(job)[0] == ("undo", False, 0, "")


def test_one_that_cannot_begin_for_a_day_is_closed_with_the_reason(
    orders: Instance, hooks: Hooks, program: Path
) -> None:
    hooks.write(entry("undo", program))
    job = lost_job(orders, lambda job: row(job, 0, "undo", "after"))
    missing = MISSING.format(program=program)
    for _ in range(2):
        assert run_owed() == 0
        assert rows_of(job) == [("undo", True, None, missing)]
        a_minute_later()
    # It says so once, not with each try.
    assert JobLogLine.objects.filter(text=f"undo: {missing}").count() == 1
    HookRun.objects.update(unable_since=now() - A_DAY)
    assert run_owed() == 0
    assert rows_of(job) == [("undo", False, None, f"{missing}; given up after a day")]


def test_an_instance_that_refuses_connections_is_tried_again(
    orders: Instance, hooks: Hooks
) -> None:
    # Nothing listens there.
    Instance.objects.update(port=1)
    hooks.write('[release]\nwhen = "after"\nsql = "DO 1"\n')
    job = lost_job(orders, lambda job: row(job, 0, "release", "after"))
    assert run_owed() == 0
    ((name, is_open, _, problem),) = rows_of(job)
    assert (name, is_open) == ("release", True)
    assert problem.startswith("could not be run: ")


def test_a_file_that_cannot_be_trusted_for_a_day_is_no_longer_waited_for(
    orders: Instance, hooks: Hooks, settings: Settings
) -> None:
    hooks.write(hooks.note("last", "after"))
    job = lost_job(orders, lambda job: row(job, 0, "last", "after"))
    settings.HOOKS_FILE.chmod(0o666)
    assert run_owed() == 0
    assert rows_of(job)[0][1]
    HookRun.objects.update(unable_since=now() - A_DAY)
    assert run_owed() == 0
    ((_, is_open, _, problem),) = rows_of(job)
    assert not is_open and "could be changed by others" in problem


def test_it_does_not_run_beside_a_later_job_with_hooks(
    orders: Instance, hooks: Hooks, program: Path
) -> None:
    hooks.write(entry("undo", program))
    lost_job(orders, lambda job: row(job, 0, "undo", "after"))
    assert run_owed() == 0
    a_minute_later()
    write_program(program, hooks.notes)
    later = Job.objects.create(operation="backup", instance=orders, kind="full", engine="fake")
    assert claim(later, worker="elsewhere:1", exclusive_key="b", now=now())
    row(later, 0, "undo", "after")
    assert run_owed() == 0
    Job.objects.filter(pk=later.pk).update(status=JobStatus.FAILED)
    assert run_owed() == 2


def test_one_that_raises_holds_up_no_other(
    orders: Instance, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks.write(hooks.note("odd", "after"), hooks.note("last", "after"))

    def both(job: Job) -> None:
        row(job, 0, "odd", "after")
        row(job, 1, "last", "after")

    job = lost_job(orders, both)

    def run_or_raise(hook: Hook, job: Job, moment: HookMoment, watch: HookWatch) -> HookResult:
        if hook.name == "odd":
            raise ValueError("not seen before")
        return run_hook(hook, job, moment, watch)

    monkeypatch.setattr(owed, "run_hook", run_or_raise)
    assert run_owed() == 1
    assert hooks.ran == ["last lost"]
    assert rows_of(job)[0] == ("odd", True, None, "could not be run: unexpected ValueError")


def test_a_lease_that_is_lost_after_a_cancel_ends_an_after_hook(
    orders: Instance, hooks: Hooks
) -> None:
    hooks.write(hooks.note("last", "after", "seconds = 20", then="sleep 600"))
    job = Job.objects.create(operation="backup", instance=orders, kind="full", engine="fake")
    assert claim(job, worker="here:1", exclusive_key="a", now=now())
    run = Run(job)
    (hook,) = hooks_for(job)
    (kept,) = write_rows(job, [hook])
    run.stop(CancelRequested())
    run.hold_lease_until(0)
    with pytest.raises(LeaseLost):
        RunHook(hook, kept).run(run, None)
    assert rows_of(job) == [("last", True, None, "")]
