"""Runs one hook of the worker's host as a stage of a job, or what lost jobs left to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backups.exceptions import LeaseLost, Refused, Stopped, Tolerated
from backups.hooks.definition import Hook, HookResult, OnFailure
from backups.hooks.owed import owed_here, run_owed
from backups.hooks.rows import note_end, note_left_out, note_start, note_unable
from backups.hooks.run import run_hook
from backups.hooks.variables import HookMoment
from backups.models import HookRun, Instance, Job
from backups.models.job import LogLevel
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.states import JobStatus


class RunHook(PlainStage[Any]):
    """One hook. Its time limit, not silence, ends one that hangs.

    Any: hooks know nothing of what the stages of an operation pass to each other.
    """

    name = "hook"
    watched = False
    may_refuse = True

    def __init__(self, hook: Hook, row: HookRun) -> None:
        self.hook, self.row = hook, row
        # Of an after hook: how the copy, or the job, ended.
        self.result = JobStatus.SUCCEEDED
        self.error = ""

    @property
    def title(self) -> str:
        return self.hook.title

    def should_run(self, run: Run, work: Any) -> bool:
        if self.hook.runs_after(self.result):
            return True
        note_left_out(self.row, run.token)
        return False

    def run(self, run: Run, work: Any) -> str:
        note_start(self.row, run.token)
        try:
            ended = self._run(run)
        except LeaseLost:
            # Open, though the row may still name us: who owns the job next has it to do.
            raise
        except Stopped:
            note_end(self.row, run.token, HookResult("was stopped"))
            raise
        # Not after a shutdown: open, an after hook runs again once the job has ended.
        if self.row.is_after and not ended.began:
            note_unable(self.row, run.token, ended)
        else:
            note_end(self.row, run.token, ended)
        return self._judge(run, ended)

    def _run(self, run: Run) -> HookResult:
        # Its label and what else is known of it by now.
        job = Job.objects.select_related(
            "instance", "backup", "copy__repository", "occurrence__schedule"
        ).get(pk=run.job.pk)
        result = self.result if self.row.is_after else None
        moment = HookMoment(result, self.error, max(run.most_bytes, run.meter.raw_bytes))
        return run_hook(self.hook, job, moment, StageWatch(run, self))

    def _judge(self, run: Run, ended: HookResult) -> str:
        if not ended.problem:
            return ended.found
        if self.hook.on_failure is OnFailure.REFUSE:
            raise Refused(
                ended.problem, hint="Correct what the hook reports, then start the job again."
            )
        again = "" if ended.began or not self.row.is_after else "; it is tried again for a day"
        text = f"{self.title}: {ended.problem}{again}"
        run.log(self.name, text, LogLevel.WARNING)
        raise Tolerated(text)


class StageWatch:
    """Follows a hook for the job that it runs in."""

    def __init__(self, run: Run, stage: RunHook) -> None:
        self._run, self._stage = run, stage

    def log(self, text: str) -> None:
        self._run.log(self._stage.hook.name, text)

    def started(self, group: int, started: float) -> None:
        self._run.process_started(group, started)

    def check(self) -> None:
        try:
            self._run.check()
        except LeaseLost:
            raise
        except BaseException:
            # A cancel ends no hook that undoes what another did: its time limit does.
            if not self._stage.row.is_after:
                raise


class RunOwed(PlainStage[Any]):
    """Runs what lost jobs of the instance still owe, so that it does not run during this job."""

    name = "hooks of lost jobs"
    watched = False

    def __init__(self, instance: Instance, check: Callable[[], None]) -> None:
        self._instance, self._check = instance, check

    def run(self, run: Run, work: Any) -> str:
        count = run_owed(instance=self._instance, check=self._check)
        left = owed_here(self._instance).count()
        return f"{count} run" + (f", {left} could not begin" if left else "")
