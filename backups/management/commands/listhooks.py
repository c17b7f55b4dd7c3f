"""Lists the hooks of this host: what runs around which jobs, and what is wrong with it."""

from __future__ import annotations

import shlex
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from backups.hooks.checks import problem_of
from backups.hooks.definition import Hook
from backups.hooks.hooks_file import load_hooks
from backups.hooks.owed import owed_here
from backups.hooks.selection import hooks_of, hooks_of_schedule
from backups.management.output import DONE, FAILED, Answer, MooringCommand, table
from backups.management.rows import named_instance
from backups.management.schedule_rows import named_schedule

HEADINGS = ("name", "when", "on failure", "limit", "of", "runs", "problem")


class Command(MooringCommand):
    help = "List the hooks that this host runs before and after jobs, and check them."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--instance", help="Those of this instance's jobs only.")
        parser.add_argument("--schedule", help="Those of this schedule's jobs only.")

    def answer(self, options: dict[str, Any]) -> Answer:
        hooks = _selected(options["instance"], options["schedule"])
        problems = {hook.name: str(problem_of(hook) or "") for hook in hooks}
        owed = [str(row) for row in owed_here()]
        shown = [table(HEADINGS, [_row(hook, problems[hook.name]) for hook in hooks])]
        return Answer(
            {
                "file": str(settings.HOOKS_FILE),
                "hooks": [_fields(hook, problems[hook.name]) for hook in hooks],
                "owed": owed,
            },
            [
                *(shown if hooks else [f"no hooks: {settings.HOOKS_FILE} names none of these"]),
                *(f"owed by a lost job: {name}" for name in owed),
            ],
            FAILED if any(problems.values()) else DONE,
        )


def _selected(instance: str | None, schedule: str | None) -> list[Hook]:
    hooks = list(load_hooks(settings.HOOKS_FILE))
    if schedule is not None:
        hooks = hooks_of_schedule(hooks, named_schedule(schedule).name)
    if instance is not None:
        hooks = hooks_of(hooks, named_instance(instance), schedule=schedule)
    return hooks


def _row(hook: Hook, problem: str) -> tuple[str, ...]:
    when = f"{hook.when}, on {hook.on}" if hook.on != "always" else str(hook.when)
    runs = hook.sql or shlex.join(hook.command)
    limit = f"{hook.seconds} s"
    return (hook.name, when, str(hook.on_failure), limit, hook.scope.in_words, runs, problem)


def _fields(hook: Hook, problem: str) -> dict[str, object]:
    return {
        "name": hook.name,
        "when": str(hook.when),
        "on": str(hook.on),
        "on_failure": str(hook.on_failure),
        "seconds": hook.seconds,
        "command": list(hook.command),
        "sql": hook.sql,
        "user": hook.user,
        "confined": hook.confined,
        "operations": [str(operation) for operation in hook.scope.operations],
        "instances": list(hook.scope.instances),
        "groups": list(hook.scope.groups),
        "tags": list(hook.scope.tags),
        "schedules": list(hook.scope.schedules),
        "problem": problem,
    }
