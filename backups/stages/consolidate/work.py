"""The work object that the stages of a consolidation pass to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.timezone import now

from backups.access import stores_of
from backups.archive.reader import BackupReader
from backups.catalog.copies import copy_of
from backups.exceptions import StageFailed
from backups.models import BackupCopy, Job
from backups.parameters import ConsolidateParameters
from backups.stages.backup.manifest import describe_writing
from backups.stages.backup.work import NewBackup, destinations
from backups.states import BackupKind

# Of two backups of one moment the one that needs no other is the newer, for retention as well as
# for the next backup.
LATER = timedelta(microseconds=1)


@dataclass(slots=True, kw_only=True)
class ConsolidateWork(NewBackup):
    """One attempt at making a full backup of a chain. It is of the moment of the last link."""

    # The last link, where it is read.
    copy: BackupCopy
    # It and all that it needs, the full backup first; empty until the first stage opened it.
    chain: Sequence[BackupReader] = ()

    def opened(self) -> Sequence[BackupReader]:
        if not self.chain:
            raise StageFailed("no chain to read: it has not been opened")
        return self.chain


def consolidate_work(job: Job, asked: ConsolidateParameters) -> ConsolidateWork:
    """Build the work object of a consolidation."""
    copy, repositories = copy_of(job), destinations(job)
    made_by = copy.backup.made_by
    return ConsolidateWork(
        job=job,
        copy=copy,
        stores=stores_of(repositories),
        encrypted=repositories[0].encrypted,
        # Of chosen tables no full backup can be made.
        kind=BackupKind.PARTIAL if copy.backup.choice else BackupKind.FULL,
        follows=made_by.occurrence if made_by else None,
        # The label names the moment that it restores.
        started_at=copy.backup.started_at,
    )


def describe_consolidated(work: ConsolidateWork) -> dict[str, Any]:
    """Return what the manifest says: all that is known of the link, and what it was made of."""
    link = work.opened()[-1].manifest.about
    return {
        **link,
        "uuid": str(work.backup),
        "label": work.label,
        "kind": str(work.kind),
        "base": None,
        "ended_at": (datetime.fromisoformat(link["ended_at"]) + LATER).isoformat(),
        "consolidated": {
            "uuid": link["uuid"],
            "label": link["label"],
            "at": now().isoformat(),
        },
        # No server was locked for it.
        "facts": {**link["facts"], "lock_time_s": None},
        "pace": {},
        **describe_writing(work),
    }
