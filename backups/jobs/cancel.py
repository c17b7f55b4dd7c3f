"""How is a job cancelled? By a request that its worker notices; a pending job ends at once."""

from __future__ import annotations

from django.db import transaction
from django.utils.timezone import now

from backups.activity import record
from backups.exceptions import Refused
from backups.models import Job
from backups.models.activity import Verb
from backups.models.catalog import Origin
from backups.states import ACTIVE_JOB_STATUSES, JobStatus
from backups.transitions.jobs import Outcome, end, record_note


def request_cancel(job: Job, *, actor: str) -> bool:
    """Ask for a job to end. Return False when it had ended already.

    A pending job ends at once. A running one is ended by its worker, which looks every
    second, and is cancelled when its processes, locks and partial bytes are gone.
    """
    if job.origin == Origin.OBSERVED:
        raise Refused(f"{job} was started by somebody else", hint="Stop it where it was started.")
    asked = Job.objects.filter(pk=job.pk, status__in=ACTIVE_JOB_STATUSES)
    with transaction.atomic():
        if not asked.update(cancel_requested=True):
            return False
        record(Verb.CANCELLED, job)
    job.refresh_from_db()
    if job.status == JobStatus.PENDING:
        reason = f"cancelled by {actor} before it started"
        end(job, JobStatus.CANCELLED, now=now(), outcome=Outcome(reason=reason), actor=actor)
    else:
        record_note(job, actor, "cancel requested")
    return True
