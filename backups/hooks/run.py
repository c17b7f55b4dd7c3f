"""How is one hook run, whichever of the two it is?"""

from __future__ import annotations

from backups.exceptions import MooringError
from backups.hooks.definition import Hook, HookResult
from backups.hooks.run_command import HookWatch, run_command
from backups.hooks.run_statement import run_statement
from backups.hooks.variables import HookMoment, variables_of
from backups.instances.connection import login_of
from backups.models import Job


def run_hook(hook: Hook, job: Job, moment: HookMoment, watch: HookWatch) -> HookResult:
    """Run it to its end or its limit; raise what the watch does, with all of it ended."""
    if hook.command:
        return run_command(hook, variables_of(hook, job, moment), watch)
    try:
        login = login_of(job.instance)
    except MooringError as exc:
        return HookResult(f"could not be run: {exc}")
    return run_statement(hook, login, watch.check)
