"""How is a job cancelled? By a request that its worker checks; a pending job ends at once."""

from __future__ import annotations

from django.db import transaction
from django.utils.timezone import now

from backups.activity import record
from backups.exceptions import Refused
from backups.models import Job
from backups.models.activity import Verb
from backups.models.catalog import Origin
from backups.states import ACTIVE_JOB_STATUSES, JobStatus
from backups.transitions.jobs import JobOutcome, end, record_note


def request_cancel(job: Job, *, actor: str) -> bool:
    """Request the end of a job. Return False if it had already ended.

    A pending job ends at once. A running one is ended by its worker, which checks every
    second, and is cancelled once its processes, locks and partial bytes are gone.
    """
    if job.origin == Origin.OBSERVED:
        raise Refused(f"{job} was not started by Mooring", hint="Stop it where it was started.")
    active = Job.objects.filter(pk=job.pk, status__in=ACTIVE_JOB_STATUSES)
    with transaction.atomic():
        if not active.update(cancel_requested=True):
            return False
        record(Verb.CANCELLED, job)
    job.refresh_from_db()
    if job.status == JobStatus.PENDING:
        reason = f"cancelled by {actor} before it started"
        end(job, JobStatus.CANCELLED, now=now(), outcome=JobOutcome(reason=reason), actor=actor)
    else:
        record_note(job, actor, "cancel requested")
    return True
