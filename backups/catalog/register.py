"""How is a manifest registered as rows, after a backup and when a catalog is rebuilt?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, transaction

from backups.access import checked_store, identity_of
from backups.archive.contents import Contents
from backups.archive.identity import CopyIdentity
from backups.archive.keys import Keyring
from backups.archive.reader import BackupReader
from backups.catalog.contents import store_contents
from backups.engines import ENGINES
from backups.exceptions import ArchiveError, MooringError
from backups.models import (
    Backup,
    BackupAncestor,
    BackupCopy,
    BackupTables,
    Instance,
    Job,
    Repository,
)
from backups.pieces.recover import recover_pieces
from backups.repositories.layout import (
    INSTANCES,
    NEWER_HINT,
    backup_folder,
    folder_of_manifest,
    owner_of_folder,
)
from backups.repositories.sequential.store import sequential
from backups.states import BackupKind, CopyStatus
from backups.transitions.wanted_copies import copy_made


@dataclass(frozen=True, slots=True)
class RebuiltBackup:
    """The result for one backup found in a repository."""

    folder: str
    label: str = ""
    added: bool = False
    error: str = ""


def register_backup(
    about: Mapping[str, Any],
    contents: Contents,
    *,
    key_id: str,
    manifest_digest: str,
    folder: str,
    repositories: Sequence[Repository],
    instance: Instance,
    made_by: Job | None = None,
) -> Backup:
    """Write the rows of a backup and its copies; rows that are there already stay as they are."""
    columns = {"instance": instance, "made_by": made_by, **_columns(about, contents)}
    backup, _ = Backup.objects.get_or_create(uuid=about["uuid"], defaults=columns)
    if backup.base is not None:
        _store_ancestors(backup, backup.base)
    store_contents(backup, contents)
    for repository in repositories:
        BackupCopy.objects.get_or_create(
            backup=backup,
            repository=repository,
            defaults={
                "path": folder,
                "stored_bytes": contents.stored_bytes,
                "pack_count": len(contents.packs),
                "key_id": key_id,
                "manifest_digest": manifest_digest,
            },
        )
        copy_made(backup, repository)
    return backup


@transaction.atomic
def renew_backup(backup: Backup, about: Mapping[str, Any], contents: Contents) -> None:
    """Write what an accepted manifest says into the rows of its backup."""
    with faults_named(backup.label):
        columns = _columns(about, contents)
        fixed = ("kind", "engine", "base")
        if other := [name for name in fixed if columns[name] != getattr(backup, name)]:
            raise ArchiveError(f"its {', '.join(other)} would be another than registered")
        Backup.objects.filter(pk=backup.pk).update(**columns)
        BackupTables.objects.filter(backup=backup).delete()
        store_contents(backup, contents)


# Any: each column has a type of its own.
def _columns(about: Mapping[str, Any], contents: Contents) -> dict[str, Any]:
    """Return what a manifest says of a backup, by the columns that keep it."""
    facts = about["facts"]
    return {
        "label": about["label"],
        "kind": about["kind"],
        "base": _base_of(about),
        "consolidated_from": (about.get("consolidated") or {}).get("label", ""),
        "engine": about["engine"],
        "from_lsn": facts["from_lsn"],
        "to_lsn": facts["to_lsn"],
        "binlog_file": facts["binlog_file"],
        "binlog_position": facts["binlog_position"],
        "gtid_executed": facts["gtid_executed"],
        "server_version": facts["server_version"],
        "tool_version": facts["tool_version"],
        "facts": facts["more"],
        # Only partial ones have any.
        "choice": about.get("tables") or {},
        # Manifests of older versions have none.
        "pace": about.get("pace") or {},
        "lock_time": _length(facts["lock_time_s"]),
        "raw_bytes": contents.raw_bytes,
        "restored_bytes": contents.restored_bytes,
        "stored_bytes": contents.stored_bytes,
        "file_count": len(contents.files),
        "started_at": datetime.fromisoformat(about["started_at"]),
        "ended_at": datetime.fromisoformat(about["ended_at"]),
    }


def _store_ancestors(backup: Backup, base: Backup) -> None:
    needed = [row.ancestor for row in base.ancestors.select_related("ancestor")]
    for position, ancestor in enumerate([*needed, base]):
        BackupAncestor.objects.get_or_create(
            backup=backup, position=position, defaults={"ancestor": ancestor}
        )


def rebuild(
    repository: Repository,
    keyring: Keyring | None,
    check: Callable[[], None] = lambda: None,
    *,
    allow_unencrypted: bool = False,
    pieces: Iterable[str] | None = None,
) -> Iterator[RebuiltBackup]:
    """Register every backup whose manifest is in ``repository``, yielding each.

    A manifest that is unreadable or lacks packs is yielded with its error, and the others
    continue. So is an unencrypted one in an encrypted repository, which anyone could have put
    there, unless ``allow_unencrypted``. Bases come before their dependents, because labels sort
    by time. ``pieces``: what is on sequential media, where these cannot be listed.
    """
    store = checked_store(repository)
    if (media := sequential(store)) is not None:
        for unread in recover_pieces(media, keyring, pieces, check):
            yield RebuiltBackup(_shown(unread.folder), error=_shown(unread.error))
    sealed = repository.encrypted and not allow_unencrypted
    folders = [folder for name in store.list(INSTANCES) if (folder := folder_of_manifest(name))]
    for folder in sorted(folders, key=lambda path: path.rpartition("@")[2]):
        check()
        try:
            instance, label = owner_of_folder(folder)
            expected = CopyIdentity(label, instance, encrypted=sealed or None)
            reader = BackupReader(store, folder, keyring, expected)
            yield _rebuild_one(repository, folder, reader)
        except MooringError as exc:
            yield RebuiltBackup(_shown(folder), error=_shown(str(exc)))


def register_finished(job: Job, repository: Repository, keyring: Keyring | None) -> None:
    """Register the backup of a lost job whose manifest is in ``repository``.

    A manifest is written when every pack is durable. Where the job's process was killed after that,
    or this catalog is an older copy of itself, the backup is whole. ArchiveError if it is not.
    """
    folder = backup_folder(job.instance.uuid, job.label)
    expected = CopyIdentity(job.label, job.instance.uuid, encrypted=repository.encrypted)
    reader = BackupReader(checked_store(repository), folder, keyring, expected)
    with faults_named(job.label):
        reader.check_sizes()
        _register_found(repository, folder, reader, job)


def _shown(text: str) -> str:
    """Return a name with everything escaped that a terminal or a page cannot print."""
    spelled = text.encode("utf-8", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in spelled)


def _rebuild_one(repository: Repository, folder: str, reader: BackupReader) -> RebuiltBackup:
    envelope = reader.manifest.envelope
    copies = BackupCopy.objects.filter(repository=repository, backup__uuid=envelope.backup)
    if known := copies.select_related("backup__instance").first():
        identity_of(known).check(reader.manifest)
        return RebuiltBackup(folder, envelope.label)
    with faults_named(envelope.label):
        reader.check_sizes()
        _register_found(repository, folder, reader)
    return RebuiltBackup(folder, envelope.label, added=True)


@contextmanager
def faults_named(label: str) -> Iterator[None]:
    """Turn whatever a manifest's fields cause in the catalog into an ArchiveError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as exc:
        reason = repr(exc)[:200]
        raise ArchiveError(f"manifest lacks fields the catalog needs: {reason}") from None
    except Backup.DoesNotExist:
        raise ArchiveError("the backup it is based on is not in the catalog") from None
    except IntegrityError:
        raise ArchiveError(f"another backup has the label {label}") from None
    except DataError as exc:
        reason = str(exc)[:200]
        raise ArchiveError(f"manifest has values the catalog cannot hold: {reason}") from None


@transaction.atomic
def _register_found(
    repository: Repository, folder: str, reader: BackupReader, made_by: Job | None = None
) -> None:
    about = reader.manifest.about
    if about["kind"] not in BackupKind or about["engine"] not in ENGINES:
        raise ArchiveError(
            f"its kind {about['kind']!r} or its engine {about['engine']!r} is unknown here",
            hint=NEWER_HINT,
        )
    _refuse_broken_chain(repository, reader.manifest.contents)
    register_backup(
        about,
        reader.manifest.contents,
        key_id=reader.manifest.envelope.key_id,
        manifest_digest=reader.manifest.digest,
        folder=folder,
        repositories=[repository],
        instance=instance_of(about["instance"], about["engine"]),
        made_by=made_by,
    )


def _refuse_broken_chain(repository: Repository, contents: Contents) -> None:
    """Raise ArchiveError unless the repository has all that the backup needs, unchanged."""
    for ancestor in contents.blocks.ancestors if contents.blocks is not None else ():
        registered = BackupCopy.objects.filter(
            repository=repository, backup__uuid=ancestor.uuid, manifest_digest=ancestor.digest
        )
        if not registered.exclude(status=CopyStatus.PURGED).exists():
            raise ArchiveError(f"it needs {ancestor.label}, which is missing or has changed")


def instance_of(described: Mapping[str, Any], engine: str) -> Instance:
    """Return the instance of a manifest; an unknown one is created without a password."""
    uuid = UUID(described["uuid"])
    if known := Instance.objects.filter(uuid=uuid).first():
        return known
    name = described["name"]
    if Instance.objects.filter(name=name).exists():
        # Another instance has the name by now; the uuid distinguishes the two.
        name = f"{name[:55]}-{uuid.hex[:8]}"
    return Instance.objects.create(
        uuid=uuid,
        name=name,
        host=described["host"],
        port=described["port"],
        flavour=described["flavour"],
        engine=engine,
    )


def _base_of(about: Mapping[str, Any]) -> Backup | None:
    return Backup.objects.get(uuid=about["base"]["uuid"]) if about["base"] else None


def _length(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
