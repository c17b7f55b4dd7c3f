"""How does an instance get a binlog archive, and how is it changed or disabled?"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction

from backups.activity import record
from backups.exceptions import BadInput
from backups.models.activity import Verb
from backups.models.binlog import BinlogArchive
from backups.models.instance import Instance
from backups.models.repository import Repository

# Replicas of people are numbered from 1 on; Mooring takes numbers from the upper half.
_FIRST_SERVER_ID, _LAST_SERVER_ID = 1 << 31, (1 << 32) - 2


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """What an archive shall be. None: as it is, or the default of a new one."""

    repositories: Sequence[Repository] | None = None
    acknowledge: bool | None = None


@transaction.atomic
def enable_archive(instance: Instance, request: ArchiveRequest) -> BinlogArchive:
    """Enable the archive of an instance, or change it."""
    row = BinlogArchive.objects.select_for_update().filter(instance=instance).first()
    if row is None:
        row = BinlogArchive(instance=instance, server_id=_free_server_id(), enabled=False)
    if request.acknowledge is not None:
        row.acknowledge = request.acknowledge
    if not row.enabled:
        # Another identity than that of whoever may still receive with the old one.
        row.server_id, row.replica_uuid = _free_server_id(), uuid.uuid4()
    row.enabled = True
    row.save()
    if request.repositories is not None:
        row.repositories.set(request.repositories)
    refuse_sequential(row.repositories.all())
    if not row.repositories.exists():
        raise BadInput(
            f"the binlogs of {instance} have no repository",
            hint="Name one with --repository; it may be repeated.",
        )
    _record(row, "enabled")
    return row


def refuse_sequential(repositories: Iterable[Repository]) -> None:
    """Raise BadInput for media that would get a piece every minute, and are read one by one."""
    if media := [repository.name for repository in repositories if repository.is_sequential]:
        raise BadInput(
            f"binlogs are not archived to {', '.join(media)}: its media are sequential",
            hint="Name a folder or a bucket; full backups may go to sequential media.",
        )


@transaction.atomic
def disable_archive(instance: Instance) -> BinlogArchive:
    """End receiving for an instance. What is stored stays, and so does what waits in the spool."""
    row = BinlogArchive.objects.select_for_update().filter(instance=instance).first()
    if row is None or not row.enabled:
        raise BadInput(f"the binlogs of {instance} are not archived")
    row.enabled = False
    row.save(update_fields=["enabled"])
    _record(row, "disabled")
    return row


def _free_server_id() -> int:
    """Return a server id that no archive has; that a replica has it is unlikely."""
    while True:
        number = _FIRST_SERVER_ID + secrets.randbelow(_LAST_SERVER_ID - _FIRST_SERVER_ID)
        if not BinlogArchive.objects.filter(server_id=number).exists():
            return number


def _record(row: BinlogArchive, what: str) -> None:
    details = {
        "binlog archive": what,
        "acknowledge": row.acknowledge,
        "repositories": [repository.name for repository in row.repositories.all()],
    }
    record(Verb.CHANGED, row.instance, details=details)
