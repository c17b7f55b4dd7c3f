"""Who may say that a copy is wanted, was made, or is wanted no longer? Only this module."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from backups.activity import current_actor, record
from backups.exceptions import Refused
from backups.models import Backup, Job, Repository, WantedCopy
from backups.models.activity import Verb
from backups.models.wanted_copy import WantCause
from backups.transitions.occurrences import recheck_protection


def want_copy(
    backup: Backup,
    repository: Repository,
    cause: WantCause,
    *,
    error: str = "",
    hint: str = "",
    job: Job | None = None,
) -> WantedCopy:
    """Record that a repository is to have a copy; one that a person gave up is wanted again.

    ``error``: why an attempt at it has failed.
    """
    attempt = (
        {"error": error, "hint": hint, "failed_at": timezone.now(), "job": job} if error else {}
    )
    again = {"dropped_at": None, "dropped_by": "", "dropped_reason": ""}
    wanted, _ = WantedCopy.objects.update_or_create(
        backup=backup,
        repository=repository,
        defaults={**attempt, **again},
        create_defaults={"cause": cause, **attempt},
    )
    recheck_protection(backup.instance_id, timezone.now())
    return wanted


def note_attempt(job: Job, error: str, hint: str, now: datetime) -> None:
    """Record why the job that was to make a copy has not."""
    wanted = WantedCopy.objects.filter(backup=job.backup, repository__in=job.repositories.all())
    wanted.update(error=error, hint=hint, failed_at=now, job=job)


def copy_made(backup: Backup, repository: Repository) -> None:
    """Record that the repository has the copy."""
    if WantedCopy.objects.filter(backup=backup, repository=repository).delete()[0]:
        recheck_protection(backup.instance_id, timezone.now())


@transaction.atomic
def drop_wanted(wanted: WantedCopy, reason: str) -> None:
    """Record that a person no longer wants a copy, and why; Refused if it is not wanted now."""
    if not reason.strip():
        raise Refused(f"no reason is given why the {wanted} is no longer wanted")
    actor = current_actor().name
    rows = WantedCopy.objects.filter(pk=wanted.pk, dropped_at=None)
    if not rows.update(
        dropped_at=timezone.now(), dropped_by=actor[:150], dropped_reason=reason.strip()[:200]
    ):
        raise Refused(f"the {wanted} was made meanwhile, or given up before")
    details = {"no longer wanted in": wanted.repository.name, "reason": reason.strip()[:200]}
    record(Verb.CHANGED, wanted.backup, details=details)
    recheck_protection(wanted.backup.instance_id, timezone.now())
