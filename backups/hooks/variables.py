"""What does a hook get to know of its job? Named variables, none of them a password or a key."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from backups.exceptions import BadInput
from backups.hooks.definition import LONGEST_VALUE, Hook
from backups.models import Job
from backups.parameters import RestoreParameters, RestoreTableParameters
from backups.states import JobStatus, Operation


@dataclass(frozen=True, slots=True)
class HookMoment:
    """What is known of a job where a hook runs, beyond its row."""

    # How the job ended, or is to end; None: it is still to be seen.
    result: JobStatus | None = None
    error: str = ""
    bytes_done: int = 0


def variables_of(hook: Hook, job: Job, moment: HookMoment) -> dict[str, str]:
    """Return the environment that a hook gets beside that of every program."""
    instance = job.instance
    named = {
        "MOORING_HOOK": hook.name,
        "MOORING_WHEN": hook.when.value,
        "MOORING_JOB": str(job.pk or ""),
        "MOORING_OPERATION": job.operation,
        "MOORING_KIND": job.kind,
        "MOORING_INSTANCE": instance.name,
        "MOORING_HOST": instance.host,
        "MOORING_PORT": str(instance.port),
        "MOORING_SOCKET": instance.socket,
        "MOORING_ENGINE": job.engine or instance.engine,
        "MOORING_SCHEDULE": schedule_of(job),
        "MOORING_REPOSITORIES": ",".join(_repositories(job)),
        "MOORING_LABEL": job.backup.label if job.backup is not None else job.label,
        "MOORING_TARGET": _target(job),
        "MOORING_BYTES": str(moment.bytes_done),
        "MOORING_RESULT": moment.result.value if moment.result is not None else "",
        "MOORING_ERROR": moment.error,
    }
    return {**hook.environment, **_plain(named)}


def schedule_of(job: Job) -> str:
    """Return the name of the schedule that requested a job; blank if a person did."""
    if job.occurrence is not None:
        return str(job.occurrence.schedule.name)
    named = job.parameters.get("schedule")
    return named if isinstance(named, str) else ""


def _repositories(job: Job) -> list[str]:
    if job.copy is not None:
        return [job.copy.repository.name]
    if job.pk is None:
        # A hook is tried without a job.
        return []
    return sorted(job.repositories.values_list("name", flat=True))


def _target(job: Job) -> str:
    with suppress(BadInput):
        if job.operation == Operation.RESTORE:
            return str(RestoreParameters.of(job).target)
        if job.operation == Operation.RESTORE_TABLE:
            return RestoreTableParameters.of(job).target
    return ""


def _plain(named: Mapping[str, str]) -> dict[str, str]:
    """Return values that an environment can hold, on one line each."""
    return {
        name: " ".join(value.replace("\0", "").splitlines())[:LONGEST_VALUE]
        for name, value in named.items()
    }
