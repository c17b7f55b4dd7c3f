"""Which hooks of this host belong to a job, or to the jobs of an instance or a schedule?"""

from __future__ import annotations

from django.conf import settings

from backups.hooks.definition import Hook, HookSubject, applies
from backups.hooks.hooks_file import load_hooks
from backups.hooks.variables import schedule_of
from backups.models import Instance, Job
from backups.states import Operation


def hooks_for(job: Job) -> list[Hook]:
    """Return the hooks of a job, in the order of the file."""
    hooks = load_hooks(settings.HOOKS_FILE)
    # Most hosts have none: nothing is asked of the database for them.
    return hooks_of(
        hooks, job.instance, Operation(job.operation), schedule_of(job) if hooks else ""
    )


def hooks_of(
    hooks: tuple[Hook, ...], instance: Instance, operation: Operation | None, schedule: str
) -> list[Hook]:
    """Return those of an instance; without an operation, those of any."""
    if not hooks:
        return []
    subject = subject_of(instance, operation, schedule)
    return [hook for hook in hooks if applies(hook.scope, subject)]


def subject_of(instance: Instance, operation: Operation | None, schedule: str) -> HookSubject:
    """Return what hooks of a job of this instance are selected by."""
    return HookSubject(
        instance.name,
        operation,
        schedule,
        frozenset(instance.groups.values_list("name", flat=True)),
        frozenset(instance.tags.values_list("name", flat=True)),
    )
