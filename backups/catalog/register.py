"""How does a manifest become rows? The same way after a backup and when a catalog is rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, transaction

from backups.access import checked_store
from backups.archive.contents import Contents
from backups.archive.keys import Keyring
from backups.archive.reader import BackupReader
from backups.engines import ENGINES
from backups.exceptions import ArchiveError, MooringError
from backups.models import Backup, BackupCopy, Instance, Job, Repository
from backups.repositories.layout import INSTANCES, NEWER_HINT, folder_of_manifest
from backups.states import BackupKind


@dataclass(frozen=True, slots=True)
class Found:
    """A backup met in a repository: what became of it."""

    folder: str
    label: str = ""
    added: bool = False
    error: str = ""


def register_backup(
    about: Mapping[str, Any],
    contents: Contents,
    *,
    key_id: str,
    folder: str,
    repositories: Sequence[Repository],
    instance: Instance,
    made_by: Job | None = None,
) -> Backup:
    """Write the rows of a backup and its copies; rows that are there already stay as they are."""
    facts = about["facts"]
    backup, _ = Backup.objects.get_or_create(
        uuid=about["uuid"],
        defaults={
            "label": about["label"],
            "instance": instance,
            "made_by": made_by,
            "kind": about["kind"],
            "base": _base_of(about),
            "engine": about["engine"],
            "from_lsn": facts["from_lsn"],
            "to_lsn": facts["to_lsn"],
            "binlog_file": facts["binlog_file"],
            "binlog_position": facts["binlog_position"],
            "gtid_executed": facts["gtid_executed"],
            "server_version": facts["server_version"],
            "tool_version": facts["tool_version"],
            "facts": facts["more"],
            "lock_time": _length(facts["lock_time_s"]),
            "raw_bytes": contents.raw_bytes,
            "stored_bytes": contents.stored_bytes,
            "file_count": len(contents.files),
            "started_at": datetime.fromisoformat(about["started_at"]),
            "ended_at": datetime.fromisoformat(about["ended_at"]),
        },
    )
    for repository in repositories:
        BackupCopy.objects.get_or_create(
            backup=backup,
            repository=repository,
            defaults={
                "path": folder,
                "stored_bytes": contents.stored_bytes,
                "pack_count": len(contents.packs),
                "key_id": key_id,
            },
        )
    return backup


def rebuild(
    repository: Repository, keyring: Keyring | None, check: Callable[[], None] = lambda: None
) -> Iterator[Found]:
    """Register every backup whose manifest is in ``repository``, yielding each.

    A manifest that cannot be read, or whose packs are not all there, is yielded with its error,
    and the others go on. Bases come before what depends on them: labels begin with the time.
    """
    store = checked_store(repository)
    folders = [folder for name in store.list(INSTANCES) if (folder := folder_of_manifest(name))]
    for folder in sorted(folders, key=lambda path: path.rpartition("@")[2]):
        check()
        try:
            reader = BackupReader(store, folder, keyring)
            yield _rebuild_one(repository, folder, reader)
        except MooringError as exc:
            yield Found(_shown(folder), error=_shown(str(exc)))


def _shown(text: str) -> str:
    """Write a name so that any terminal and any page takes it, whatever its bytes are."""
    spelled = text.encode("utf-8", "backslashreplace").decode()
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in spelled)


def _rebuild_one(repository: Repository, folder: str, reader: BackupReader) -> Found:
    envelope = reader.manifest.envelope
    if BackupCopy.objects.filter(repository=repository, backup__uuid=envelope.backup).exists():
        return Found(folder, envelope.label)
    try:
        reader.check_sizes()
        _register_found(repository, folder, reader)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as exc:
        raise ArchiveError(f"manifest lacks what a catalog needs: {repr(exc)[:200]}") from None
    except Backup.DoesNotExist:
        raise ArchiveError("the backup it is based on is not in the catalog") from None
    except IntegrityError:
        raise ArchiveError(f"another backup is called {envelope.label} already") from None
    except DataError as exc:
        raise ArchiveError(f"manifest has values no catalog can hold: {str(exc)[:200]}") from None
    return Found(folder, envelope.label, added=True)


@transaction.atomic
def _register_found(repository: Repository, folder: str, reader: BackupReader) -> None:
    about = reader.manifest.about
    if about["kind"] not in BackupKind or about["engine"] not in ENGINES:
        raise ArchiveError(
            f"its kind {about['kind']!r} or its engine {about['engine']!r} is unknown here",
            hint=NEWER_HINT,
        )
    register_backup(
        about,
        reader.manifest.contents,
        key_id=reader.manifest.envelope.key_id,
        folder=folder,
        repositories=[repository],
        instance=_instance_of(about["instance"], about["engine"]),
    )


def _instance_of(described: Mapping[str, Any], engine: str) -> Instance:
    """Return the instance of a manifest, made anew without a password where it is unknown."""
    uuid = UUID(described["uuid"])
    if known := Instance.objects.filter(uuid=uuid).first():
        return known
    name = described["name"]
    if Instance.objects.filter(name=name).exists():
        # Another instance has taken the name since; the uuid tells the two apart.
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
