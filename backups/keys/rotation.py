"""Can every backup's data key be opened, and how is it rewrapped under a newer key?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backups import secrets
from backups.access import identity_of, store_of
from backups.archive.keys import Keyring
from backups.archive.manifest import (
    Envelope,
    cipher_of,
    manifest_digest,
    read_envelope,
    rewrap,
)
from backups.archive.manifest_file import read_manifest
from backups.exceptions import MooringError
from backups.models import BackupCopy, Instance, Repository, SigningKey
from backups.repositories.base import ObjectStore
from backups.repositories.layout import manifest_name
from backups.states import CopyStatus


@dataclass(frozen=True, slots=True)
class KeyFinding:
    """The result for the data key of one copy."""

    label: str
    repository: str
    key_id: str
    changed: bool = False
    error: str = ""


def check_data_keys(keyring: Keyring) -> Iterator[KeyFinding]:
    """Open the data key of every stored, encrypted copy."""
    for copy in _encrypted_copies():
        try:
            envelope = _read_checked(store_of(copy.repository), copy)
            cipher_of(envelope, keyring)
            yield _finding(copy, envelope.key_id)
        except MooringError as exc:
            yield _finding(copy, copy.key_id, error=str(exc))


def rewrap_data_keys(keyring: Keyring) -> Iterator[KeyFinding]:
    """Rewrap every data key under the keyring's first key. Packs are not touched.

    Safe to interrupt and repeat: a manifest is replaced atomically, and one already under the
    newest key is left unchanged.
    """
    for copy in _encrypted_copies():
        store, name = store_of(copy.repository), manifest_name(copy.path)
        try:
            # An exchanged manifest must not be wrapped under the new key.
            _read_checked(store, copy)
            rewrapped = rewrap(read_manifest(store, copy.path), keyring)
            if rewrapped is not None:
                store.replace(name, rewrapped)
            # Read back, so that the row matches the repository.
            envelope = _read_checked(store, copy)
            cipher_of(envelope, keyring)
        except MooringError as exc:
            yield _finding(copy, copy.key_id, error=str(exc))
            continue
        BackupCopy.objects.filter(pk=copy.pk).update(key_id=envelope.key_id)
        yield _finding(copy, envelope.key_id, changed=rewrapped is not None)


def rotate_passwords() -> int:
    """Re-encrypt passwords, the keys of repositories and keys that sign; return how many.

    Under the newest secret key.
    """
    count = 0
    for instance in Instance.objects.exclude(password_token=""):  # nosec B106
        instance.password_token = secrets.rotate(instance.password_token)
        instance.save(update_fields=["password_token"])
        count += 1
    for column in ("secret_key_token", "customer_key_token"):
        for repository in Repository.objects.exclude(**{column: ""}):
            setattr(repository, column, secrets.rotate(getattr(repository, column)))
            repository.save(update_fields=[column])
            count += 1
    for key in SigningKey.objects.all():
        key.private_key_token = secrets.rotate(key.private_key_token)
        key.save(update_fields=["private_key_token"])
        count += 1
    return count


def _encrypted_copies() -> Iterator[BackupCopy]:
    copies = BackupCopy.objects.filter(status=CopyStatus.STORED).exclude(key_id="")
    yield from copies.select_related("backup__instance", "repository").order_by("id")


def _read_checked(store: ObjectStore, copy: BackupCopy) -> Envelope:
    """Read the envelope of a copy; CopyChanged unless its manifest is the registered one."""
    blob = read_manifest(store, copy.path)
    envelope = read_envelope(blob)
    identity_of(copy).check_unopened(envelope, manifest_digest(blob))
    return envelope


def _finding(
    copy: BackupCopy, key_id: str, *, changed: bool = False, error: str = ""
) -> KeyFinding:
    return KeyFinding(copy.backup.label, copy.repository.name, key_id, changed, error)
