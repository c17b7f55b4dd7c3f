"""Which upgrades were rehearsed on a backup, or on the backups of an instance, and did they pass?

Shown apart from proofs: a rehearsal is none, and none against a backup.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet

from backups.catalog.rehearsals import rehearsals_of
from backups.models import Backup, Instance, Rehearsal

SHOWN = 5


def rehearsals_of_backup(backup: Backup) -> Sequence[Rehearsal]:
    """Return the newest on its bytes."""
    return list(rehearsals_of(backup).select_related("copy__backup")[:SHOWN])


def rehearsals_of_instance(instance: Instance) -> Sequence[Rehearsal]:
    """Return the newest to each release, of whichever backup."""
    newest: dict[str, Rehearsal] = {}
    # Few are rehearsed, by hand: the releases of the last ones are enough.
    for rehearsal in _rows().filter(instance=instance)[: 4 * SHOWN]:
        newest.setdefault(rehearsal.upgraded_to, rehearsal)
    return list(newest.values())[:SHOWN]


def rehearsal_of(job_id: int) -> Rehearsal | None:
    """Return the result of a job; None: it has none."""
    return _rows().filter(job=job_id).first()


def _rows() -> QuerySet[Rehearsal]:
    return Rehearsal.objects.select_related("copy__backup").order_by("-id")
