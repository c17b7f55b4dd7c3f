"""Does an available key still open each backup? A tick checks a few at a time, in rotation.

Cheap: it reads the manifest and unwraps the data key, and decrypts no pack.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Q

from backups.access import store_of
from backups.archive.keys import Keyring
from backups.archive.manifest import cipher_of, read_envelope
from backups.exceptions import KeyUnavailable, MooringError, RepositoryError
from backups.keys.load import load_keys
from backups.models import BackupCopy
from backups.repositories.layout import manifest_name
from backups.states import CopyStatus

# Copies per tick, and the interval of each.
MOST = 50
EVERY = timedelta(days=1)


def prove_keys(now: datetime) -> int:
    """Open the data keys of the copies waiting longest; return how many did not open."""
    try:
        keyring = load_keys()
    except KeyUnavailable as exc:
        return _prove(None, str(exc), now)
    return _prove(keyring, "", now)


def _prove(keyring: Keyring | None, fault: str, now: datetime) -> int:
    faults = 0
    for copy in _waiting_copies(now):
        try:
            found = fault if keyring is None else _fault_of(copy, keyring)
        except RepositoryError:
            # An unreadable repository proves nothing about the key.
            BackupCopy.objects.filter(pk=copy.pk).update(key_checked_at=now)
            continue
        BackupCopy.objects.filter(pk=copy.pk).update(key_checked_at=now, key_fault=found[:300])
        faults += bool(found)
    return faults


def _waiting_copies(now: datetime) -> list[BackupCopy]:
    waiting = Q(key_checked_at=None) | Q(key_checked_at__lte=now - EVERY)
    copies = BackupCopy.objects.filter(waiting, status=CopyStatus.STORED).exclude(key_id="")
    ordered = copies.order_by(F("key_checked_at").asc(nulls_first=True), "-id")
    return list(ordered.select_related("repository", "backup")[:MOST])


def _fault_of(copy: BackupCopy, keyring: Keyring) -> str:
    try:
        blob = store_of(copy.repository).read(manifest_name(copy.path))
        cipher_of(read_envelope(blob), keyring)
    except RepositoryError:
        raise
    except MooringError as exc:
        return str(exc)
    return ""
