"""Could the hooks of an instance run? What ``doctor`` and ``listhooks`` say of them."""

from __future__ import annotations

from django.conf import settings

from backups.checks import Check, Verdict
from backups.exceptions import BadInput
from backups.hooks.definition import Hook, OnFailure
from backups.hooks.hooks_file import load_hooks
from backups.hooks.owed import owed_here
from backups.hooks.run_command import argv_of
from backups.hooks.selection import hooks_of
from backups.models import Instance
from backups.states import HookTime, Operation

NAME = "hooks"


def hook_checks(instance: Instance) -> list[Check]:
    """Check the hooks of an instance's backups on this host; none without any."""
    try:
        hooks = hooks_of(load_hooks(settings.HOOKS_FILE), instance, Operation.BACKUP)
    except BadInput as exc:
        return [Check(NAME, Verdict.FAILED, str(exc), exc.hint)]
    checks = [_check(hook, problem) for hook in hooks if (problem := problem_of(hook))]
    if hooks and not checks:
        checks.append(Check(NAME, Verdict.OK, in_order(hooks)))
    if owed := owed_here(instance).count():
        checks.append(
            Check(
                f"{NAME}: owed",
                Verdict.WARNING,
                f"{owed} of lost jobs have not run",
                "They run within seconds where the process control runs; see its log.",
            )
        )
    return checks


def problem_of(hook: Hook) -> BadInput | None:
    """Return why a hook could not be started now; None if it could."""
    if hook.sql:
        return None
    try:
        argv_of(hook)
    except BadInput as exc:
        return exc
    return None


def in_order(hooks: list[Hook]) -> str:
    """Name hooks in the order in which they run."""
    return ", ".join(
        f"{when}: {' '.join(names)}"
        for when in HookTime
        if (names := [hook.name for hook in hooks if hook.when is when])
    )


def _check(hook: Hook, problem: BadInput) -> Check:
    refuses = hook.on_failure is OnFailure.REFUSE
    verdict = Verdict.FAILED if refuses else Verdict.WARNING
    return Check(f"hook {hook.name}", verdict, str(problem), problem.hint)
