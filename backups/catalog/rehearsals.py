"""Which upgrades were rehearsed on a backup? Apart from its proofs: a rehearsal is none."""

from __future__ import annotations

from django.db.models import F, QuerySet

from backups.models import Backup, Rehearsal


def rehearsals_of(backup: Backup) -> QuerySet[Rehearsal]:
    """Return those on the bytes of its copies that are registered now, newest first."""
    return Rehearsal.objects.filter(
        copy__backup=backup, manifest_digest=F("copy__manifest_digest")
    ).order_by("-id")
