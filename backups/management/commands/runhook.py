"""Tries one hook of this host: shows what would run, or runs it without a job."""

from __future__ import annotations

import shlex
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from rich.console import Console

from backups.activity import record
from backups.exceptions import BadInput
from backups.hooks.definition import Hook
from backups.hooks.hooks_file import load_hooks
from backups.hooks.run import run_hook, trial_of
from backups.hooks.run_command import argv_of
from backups.hooks.selection import hooks_of
from backups.hooks.variables import variables_of
from backups.management.output import DONE, FAILED, Answer, MooringCommand
from backups.management.rows import named_instance
from backups.management.schedule_rows import named_schedule
from backups.models import Instance
from backups.models.activity import Verb
from backups.visible import visible


class Command(MooringCommand):
    help = "Show what a hook would run for an instance, or run it now, without a job."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Its name in the hooks file.")
        parser.add_argument("--instance", required=True, help="The instance it is run for.")
        parser.add_argument("--schedule", help="As in a job of this schedule.")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--dry-run", action="store_true", help="Only show it; the default.")
        how.add_argument("--real", action="store_true", help="Run it.")

    def answer(self, options: dict[str, Any]) -> Answer:
        instance = named_instance(options["instance"])
        schedule = named_schedule(options["schedule"]).name if options["schedule"] else ""
        hook = _named_hook(options["name"], instance, schedule)
        job, moment = trial_of(hook, instance, schedule)
        variables = variables_of(hook, job, moment) if hook.command else {}
        fields: dict[str, object] = {"hook": hook.name, "instance": instance.name}
        if not options["real"]:
            argv = argv_of(hook) if hook.command else []
            fields |= {"command": argv, "sql": hook.sql, "environment": variables}
            lines = [f"{name}={value}" for name, value in variables.items()]
            return Answer(fields, [*lines, hook.sql or shlex.join(argv)])
        record(Verb.TESTED, instance, details={"hook": hook.name})
        ended = run_hook(hook, job, moment, TrialWatch(self.console(options)))
        fields |= {"exit_code": ended.exit_code, "problem": ended.problem, "found": ended.found}
        shown = f"{hook.name}: {ended.problem or ended.found}"
        return Answer(fields, [shown], FAILED if ended.problem else DONE)


class TrialWatch:
    """Shows the output of a hook that is tried."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def log(self, text: str) -> None:
        self._console.print(visible(text), soft_wrap=True, markup=False, highlight=False)

    def check(self) -> None:
        """Nothing but its time limit ends it; an interrupt ends this process."""

    def started(self, group: int, started: float) -> None:
        """It ends with this process."""


def _named_hook(name: str, instance: Instance, schedule: str) -> Hook:
    hooks = {hook.name: hook for hook in load_hooks(settings.HOOKS_FILE)}
    if name not in hooks:
        known = ", ".join(hooks) or "none"
        raise BadInput(f"{settings.HOOKS_FILE} has no hook {name}: it has {known}")
    if not hooks_of([hooks[name]], instance, schedule=schedule):
        raise BadInput(
            f"hook {name} does not belong to such jobs of {instance.name}",
            hint=f"It is of {hooks[name].scope.in_words}; name a schedule with --schedule.",
        )
    return hooks[name]
