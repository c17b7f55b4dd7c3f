"""Can every backup's data key be opened, and how does it get under a newer key?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backups import secrets
from backups.access import store_of
from backups.archive.keys import Keyring
from backups.archive.manifest import cipher_of, read_envelope, rewrap
from backups.exceptions import MooringError
from backups.models import BackupCopy, Instance
from backups.repositories.layout import manifest_name
from backups.states import CopyStatus


@dataclass(frozen=True, slots=True)
class KeyFinding:
    """What became of the data key of one copy."""

    label: str
    repository: str
    key_id: str
    changed: bool = False
    error: str = ""


def check_data_keys(keyring: Keyring) -> Iterator[KeyFinding]:
    """Open the data key of every stored, encrypted copy."""
    for copy in _encrypted_copies():
        try:
            envelope = read_envelope(store_of(copy.repository).read(manifest_name(copy.path)))
            cipher_of(envelope, keyring)
            yield _finding(copy, envelope.key_id)
        except MooringError as exc:
            yield _finding(copy, copy.key_id, error=str(exc))


def rewrap_data_keys(keyring: Keyring) -> Iterator[KeyFinding]:
    """Put every data key under the keyring's first key. Packs are not touched.

    Safe to stop and to repeat: a manifest is replaced at once and whole, and one that is
    under the newest key already stays as it is.
    """
    for copy in _encrypted_copies():
        store, name = store_of(copy.repository), manifest_name(copy.path)
        try:
            blob = store.read(name)
            rewrapped = rewrap(blob, keyring)
            if rewrapped is not None:
                store.replace(name, rewrapped)
            # Read back: the row says what the repository says.
            envelope = read_envelope(store.read(name))
            cipher_of(envelope, keyring)
        except MooringError as exc:
            yield _finding(copy, copy.key_id, error=str(exc))
            continue
        BackupCopy.objects.filter(pk=copy.pk).update(key_id=envelope.key_id)
        yield _finding(copy, envelope.key_id, changed=rewrapped is not None)


def rotate_passwords() -> int:
    """Put every instance password under the newest secret key; return how many."""
    count = 0
    for instance in Instance.objects.exclude(password_token=""):  # nosec B106
        instance.password_token = secrets.rotate(instance.password_token)
        instance.save(update_fields=["password_token"])
        count += 1
    return count


def _encrypted_copies() -> Iterator[BackupCopy]:
    copies = BackupCopy.objects.filter(status=CopyStatus.STORED).exclude(key_id="")
    yield from copies.select_related("backup", "repository").order_by("id")


def _finding(
    copy: BackupCopy, key_id: str, *, changed: bool = False, error: str = ""
) -> KeyFinding:
    return KeyFinding(copy.backup.label, copy.repository.name, key_id, changed, error)
