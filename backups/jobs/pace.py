"""How is the limit of a running backup changed by hand?

The row has it; the copy reads the row every few seconds. Only a backup that has not ended its copy
has anything left to limit.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from backups.activity import record
from backups.exceptions import BadInput, Refused
from backups.models import Job, JobStage
from backups.models.activity import Verb
from backups.models.catalog import Origin
from backups.pacing.entered import parse_limit
from backups.states import JobStatus, Operation
from backups.transitions.jobs import record_note
from backups.units import format_bytes

# As the instance, the schedule and the hour say.
CONFIGURED = "none"
COPY_STAGE = "copy"
HINT = "Write it as in 20M, full for full speed, or none for what is configured."


def parse_by_hand(text: str) -> int | None:
    """Read ``20M``, ``full`` as 0, ``none`` as None; BadInput for anything else."""
    text = text.strip()
    if text.lower() == CONFIGURED:
        return None
    try:
        return parse_limit(text)
    except BadInput as exc:
        raise BadInput(str(exc), hint=HINT) from None


def limit_in_words(bytes_per_s: int | None) -> str:
    """Write a limit by hand."""
    if bytes_per_s is None:
        return "as configured"
    return f"at most {format_bytes(bytes_per_s)}/s" if bytes_per_s else "full speed"


def set_limit(job: Job, bytes_per_s: int | None, *, actor: str) -> None:
    """Set the limit of a running backup; 0 is full speed, None what is configured.

    Raise Refused where there is nothing to limit.
    """
    if why := why_not_limited(job):
        raise Refused(f"{job} has no pace to set: {why}")
    running = Job.objects.filter(pk=job.pk, status=JobStatus.RUNNING)
    with transaction.atomic():
        if not running.update(pace_limit=bytes_per_s):
            raise Refused(f"{job} has no pace to set: it has ended")
        words = limit_in_words(bytes_per_s)
        record(Verb.CHANGED, job, details={"pace": words})
        record_note(job, actor, f"pace set: {words}")
    job.pace_limit = bytes_per_s


def why_not_limited(job: Job) -> str:
    """Return why the limit of a job cannot be set; blank if it can."""
    if job.operation != Operation.BACKUP:
        return "only a backup reads an instance"
    if job.origin == Origin.OBSERVED:
        return "it was not started by Mooring"
    if job.status == JobStatus.PENDING:
        return "it has not started"
    if job.status != JobStatus.RUNNING:
        return "it has ended"
    return "its copy has ended" if has_copied(JobStage.objects.filter(job=job)) else ""


def has_copied(stages: Iterable[JobStage]) -> bool:
    """Whether a backup with these stages has ended its copy."""
    ends = [stage.ended_at for stage in stages if stage.name == COPY_STAGE and not stage.parent_id]
    return any(ends)
