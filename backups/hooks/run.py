"""How is one hook run, whichever of the two it is, or tried without a job?"""

from __future__ import annotations

from dataclasses import replace

from backups.exceptions import MooringError
from backups.hooks.definition import Hook, HookResult
from backups.hooks.run_command import HookWatch, run_command
from backups.hooks.run_statement import run_statement
from backups.hooks.variables import HookMoment, variables_of
from backups.instances.connection import login_of
from backups.models import Instance, Job
from backups.states import LATE_HOOK_TIMES, BackupKind, JobStatus, Operation

LONGEST_PROBLEM = 1000


def run_hook(hook: Hook, job: Job, moment: HookMoment, watch: HookWatch) -> HookResult:
    """Run it to its end or its limit; raise what the watch does, with all of it ended."""
    ended = _run(hook, job, moment, watch)
    # Words of programs and servers: one line of a length that a page can show.
    problem = " ".join(ended.problem.replace("\0", "").splitlines())[:LONGEST_PROBLEM]
    return replace(ended, problem=problem)


def _run(hook: Hook, job: Job, moment: HookMoment, watch: HookWatch) -> HookResult:
    if hook.command:
        return run_command(hook, variables_of(hook, job, moment), watch)
    try:
        login = login_of(job.instance)
    except MooringError as exc:
        return HookResult(f"could not be run: {exc}", began=False)
    return run_statement(hook, login, watch.check)


def trial_of(hook: Hook, instance: Instance, schedule: str) -> tuple[Job, HookMoment]:
    """Return what a hook is tried with: a job that is never stored, and that has succeeded."""
    operation = hook.scope.operations[0]
    kind = BackupKind.FULL if operation is Operation.BACKUP else ""
    job = Job(
        instance=instance,
        operation=operation,
        kind=kind,
        engine=instance.engine,
        parameters={"schedule": schedule},
    )
    return job, HookMoment(JobStatus.SUCCEEDED if hook.when in LATE_HOOK_TIMES else None)
