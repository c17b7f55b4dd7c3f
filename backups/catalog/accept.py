"""May a copy whose manifest has changed be taken for the backup again?

Only after a person has looked, and only if it is of the same backup, label, instance, cipher and
kind, opens with a key at hand, and has all its packs. Evidence was of other bytes, so that the copy
is unproven afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from backups.access import checked_store, identity_of
from backups.activity import record
from backups.archive.manifest import Manifest
from backups.archive.reader import BackupReader
from backups.catalog.copies import labels_needing
from backups.catalog.register import renew_backup
from backups.exceptions import ArchiveError, Refused
from backups.keys.load import load_keys
from backups.models import BackupCopy, Job
from backups.models.activity import Verb
from backups.repositories.base import ObjectStore
from backups.repositories.layout import manifest_name
from backups.states import ACTIVE_JOB_STATUSES, CopyStatus
from backups.transitions.occurrences import recheck_protection
from backups.units import format_bytes

HINT = "Use a copy in another repository, and find out who changed this one."


@dataclass(frozen=True, slots=True)
class ChangedCopy:
    """A changed copy that would be accepted, as it was found."""

    copy: BackupCopy
    manifest: Manifest

    @property
    def registered(self) -> Mapping[str, Any]:
        """Any: figures and texts of several columns."""
        return {
            "digest": self.copy.manifest_digest,
            "stored_bytes": self.copy.stored_bytes,
            "packs": self.copy.pack_count,
            "files": self.copy.backup.file_count,
            "ended_at": self.copy.backup.ended_at.isoformat(),
        }

    @property
    def found(self) -> Mapping[str, Any]:
        """The same of what is in the repository."""
        contents = self.manifest.contents
        return {
            "digest": self.manifest.digest,
            "stored_bytes": contents.stored_bytes,
            "packs": len(contents.packs),
            "files": len(contents.files),
            "ended_at": self.manifest.about.get("ended_at"),
        }

    @property
    def compared(self) -> list[tuple[str, str, str]]:
        """Each fact by its name: as registered, and as found."""
        contents = self.found
        return [
            (name.replace("_", " "), str(value), str(contents[name]))
            for name, value in self.registered.items()
        ]


def inspect_changed(copy: BackupCopy, *, most_unsealed_bytes: int | None = None) -> ChangedCopy:
    """Read a changed copy; Refused unless it could be accepted.

    With ``most_unsealed_bytes``, also of a larger manifest without a seal: anyone may have forged
    it, and reading it takes time and memory.
    """
    if copy.status != CopyStatus.STORED:
        raise Refused(f"{copy} is {copy.status}")
    if needing := ", ".join(labels_needing(copy)):
        # Their tables name the manifest that was registered: with another they cannot be restored.
        raise Refused(f"{copy} cannot be accepted: it is needed to restore {needing}", hint=HINT)
    store = checked_store(copy.repository)
    if most_unsealed_bytes is not None and not copy.encrypted:
        _refuse_larger(copy, store, most_unsealed_bytes)
    expected = replace(identity_of(copy), digest="")
    try:
        reader = BackupReader(store, copy.path, load_keys() if copy.encrypted else None, expected)
        reader.check_sizes()
    except ArchiveError as exc:
        raise Refused(f"{copy} cannot be accepted: {exc}", hint=HINT) from None
    if reader.manifest.digest == copy.manifest_digest:
        raise Refused(f"{copy} has not changed: its manifest is the registered one")
    return ChangedCopy(copy, reader.manifest)


def _refuse_larger(copy: BackupCopy, store: ObjectStore, most_bytes: int) -> None:
    size = store.size(manifest_name(copy.path))
    if size > most_bytes:
        raise Refused(
            f"the manifest of {copy} has {format_bytes(size)} and no seal: it is not read here",
            hint=f"Run ./mooring manage acceptcopy {copy.backup.label} "
            f"--repository {copy.repository}.",
        )


@transaction.atomic
def accept_changed(changed: ChangedCopy, now: datetime) -> None:
    """Register the bytes that were found instead of those registered before."""
    copy, manifest = changed.copy, changed.manifest
    rows = BackupCopy.objects.select_for_update().filter(pk=copy.pk, status=CopyStatus.STORED)
    if not rows.filter(manifest_digest=copy.manifest_digest).exists():
        raise Refused(f"{copy} was purged or accepted meanwhile")
    if job := Job.objects.filter(copy=copy, status__in=ACTIVE_JOB_STATUSES).first():
        raise Refused(f"{job} uses the copy", hint="Wait for it, or cancel it.")
    others = copy.backup.copies.filter(status=CopyStatus.STORED).exclude(pk=copy.pk)
    if not others.exists():
        # Facts of the backup are those of its copies; another copy keeps the registered ones.
        _renew(changed)
    rows.update(
        manifest_digest=manifest.digest,
        key_id=manifest.envelope.key_id,
        stored_bytes=manifest.contents.stored_bytes,
        pack_count=len(manifest.contents.packs),
        fault="",
        fault_detail="",
        key_fault="",
        checked_at=now,
    )
    record(
        Verb.ACCEPTED,
        copy,
        details={"old_digest": copy.manifest_digest, "new_digest": manifest.digest},
    )
    recheck_protection(copy.backup.instance_id, now)


def _renew(changed: ChangedCopy) -> None:
    try:
        renew_backup(changed.copy.backup, changed.manifest.about, changed.manifest.contents)
    except ArchiveError as exc:
        raise Refused(f"{changed.copy} cannot be accepted: {exc}", hint=HINT) from None
