"""Can the data key of every stored piece be opened, and how is it rewrapped under a newer key?"""

from __future__ import annotations

from collections.abc import Iterator

from backups.access import store_of
from backups.archive.keys import Keyring
from backups.archive.manifest import Envelope, cipher_of
from backups.binlogs.segments.manifest import read_blob, rewrap_segment, segment_digest
from backups.binlogs.segments.names import manifest_of
from backups.exceptions import CopyChanged, MooringError
from backups.keys.rotation import KeyFinding
from backups.models import SegmentCopy
from backups.repositories.base import ObjectStore


def check_segment_keys(keyring: Keyring) -> Iterator[KeyFinding]:
    """Open the data key of every encrypted piece."""
    for copy in _encrypted_copies():
        try:
            envelope = _read_checked(store_of(copy.repository), copy)[0]
            cipher_of(envelope, keyring)
            yield _finding(copy, envelope.key_id)
        except MooringError as exc:
            yield _finding(copy, copy.key_id, error=str(exc))


def rewrap_segment_keys(keyring: Keyring) -> Iterator[KeyFinding]:
    """Rewrap every data key under the keyring's first key. Safe to interrupt and repeat."""
    for copy in _encrypted_copies():
        store, name = store_of(copy.repository), manifest_of(copy.path)
        try:
            # An exchanged manifest must not be wrapped under the new key.
            _, blob = _read_checked(store, copy)
            rewrapped = rewrap_segment(blob, keyring)
            if rewrapped is not None:
                store.replace(name, rewrapped)
            envelope, _ = _read_checked(store, copy)
            cipher_of(envelope, keyring)
        except MooringError as exc:
            yield _finding(copy, copy.key_id, error=str(exc))
            continue
        SegmentCopy.objects.filter(pk=copy.pk).update(key_id=envelope.key_id)
        yield _finding(copy, envelope.key_id, changed=rewrapped is not None)


def _encrypted_copies() -> Iterator[SegmentCopy]:
    copies = SegmentCopy.objects.filter(expired_at=None).exclude(key_id="")
    yield from copies.select_related("segment", "repository").order_by("id")


def _read_checked(store: ObjectStore, copy: SegmentCopy) -> tuple[Envelope, bytes]:
    name = manifest_of(copy.path)
    blob = read_blob(store, name)
    envelope, digest = segment_digest(blob)
    if digest != copy.digest:
        raise CopyChanged(f"{name} has changed since it was registered")
    return envelope, blob


def _finding(
    copy: SegmentCopy, key_id: str, *, changed: bool = False, error: str = ""
) -> KeyFinding:
    return KeyFinding(str(copy.segment), copy.repository.name, key_id, changed, error)
