"""Which hooks of this host belong to a job, or to the jobs of an instance or a schedule?"""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from backups.hooks.definition import Hook, HookSubject, applies
from backups.hooks.hooks_file import load_hooks
from backups.hooks.variables import schedule_of
from backups.models import Instance, Job
from backups.states import Operation

# Other jobs that a schedule leads to do not name it.
_OF_SCHEDULES = frozenset({Operation.BACKUP, Operation.VERIFY, Operation.RESTORE_TEST})


def hooks_for(job: Job) -> list[Hook]:
    """Return the hooks of a job, in the order of the file."""
    hooks = load_hooks(settings.HOOKS_FILE)
    # Most hosts have none: nothing is asked of the database for them.
    return hooks_of(
        hooks, job.instance, Operation(job.operation), schedule_of(job) if hooks else ""
    )


def hooks_of(
    hooks: Iterable[Hook],
    instance: Instance,
    operation: Operation | None = None,
    schedule: str | None = None,
) -> list[Hook]:
    """Return those of an instance's jobs; None leaves operation or schedule open."""
    hooks = list(hooks)
    if not hooks:
        return []
    subject = HookSubject(
        instance.name,
        operation,
        schedule,
        frozenset(instance.groups.values_list("name", flat=True)),
        frozenset(instance.tags.values_list("name", flat=True)),
    )
    return [hook for hook in hooks if applies(hook.scope, subject)]


def hooks_of_schedule(hooks: Iterable[Hook], schedule: str) -> list[Hook]:
    """Return those of the jobs that a schedule requests, on whichever of its instances."""
    return [
        hook
        for hook in hooks
        if not _OF_SCHEDULES.isdisjoint(hook.scope.operations)
        and schedule in (hook.scope.schedules or (schedule,))
    ]
