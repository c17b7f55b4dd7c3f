"""Who may say that a copy is wanted, was made, or is wanted no longer? Only this module."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from backups.activity import current_actor, record
from backups.exceptions import MooringError, Refused
from backups.models import Backup, BackupSchedule, Job, Repository, WantedCopy
from backups.models.activity import Verb
from backups.models.wanted_copy import WantCause
from backups.transitions.occurrences import recheck_protection

# Before the first attempt after a failure, and between two of them.
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=10), timedelta(days=1)


def want_copy(
    backup: Backup,
    repository: Repository,
    cause: WantCause,
    *,
    error: str = "",
    hint: str = "",
    job: Job | None = None,
    schedule: BackupSchedule | None = None,
) -> WantedCopy:
    """Record that a repository is to have a copy; one that a person gave up is wanted again.

    ``error``: why an attempt at it has failed. A tick makes the next one.
    """
    attempt = (
        {"error": error, "hint": hint, "failed_at": timezone.now(), "job": job} if error else {}
    )
    attempt["next_attempt_at"] = timezone.now() + FIRST_WAIT
    again = {"dropped_at": None, "dropped_by": "", "dropped_reason": ""}
    wanted, _ = WantedCopy.objects.update_or_create(
        backup=backup,
        repository=repository,
        defaults={**attempt, **again},
        create_defaults={"cause": cause, "schedule": schedule, **attempt},
    )
    recheck_protection(backup.instance_id, timezone.now())
    return wanted


def note_attempt(job: Job, error: str, hint: str, now: datetime) -> None:
    """Record why the job that was to make a copy has not."""
    wanted = WantedCopy.objects.filter(backup=job.backup, repository__in=job.repositories.all())
    for row in wanted:
        _note_failure(row, error, hint, now, job=job)


def note_refusal(wanted: WantedCopy, error: MooringError, now: datetime) -> None:
    """Record why no job could be requested."""
    _note_failure(wanted, str(error), error.hint, now)


def put_off(wanted: WantedCopy, until: datetime | None, *, job: Job | None = None) -> None:
    """Let a tick make the next attempt then; None while ``job`` makes one."""
    WantedCopy.objects.filter(pk=wanted.pk).update(
        next_attempt_at=until, **({} if job is None else {"job": job})
    )


def _note_failure(
    wanted: WantedCopy, error: str, hint: str, now: datetime, *, job: Job | None = None
) -> None:
    """Set the next attempt, each time twice as much later."""
    wait = min(FIRST_WAIT * 2 ** min(wanted.attempts, 16), LONGEST_WAIT)
    WantedCopy.objects.filter(pk=wanted.pk).update(
        error=error,
        hint=hint,
        failed_at=now,
        attempts=wanted.attempts + 1,
        next_attempt_at=now + wait,
        **({} if job is None else {"job": job}),
    )


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
