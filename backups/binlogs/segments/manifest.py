"""What defines a segment? Its manifest, which is written last: no manifest, no segment.

A file as ``backups.archive.enveloped`` describes: the envelope names the segment's own random id
and has its wrapped data key, the body is JSON with the facts and the place of every frame. Keys
are rotated by a new envelope around the same body; the bytes are not touched.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from backups.archive.cipher import Cipher, SealedPart
from backups.archive.compression import compress, decompress
from backups.archive.enveloped import SEALED_MAGIC, skippable, split, take, wrap
from backups.archive.keys import Keyring
from backups.archive.manifest import MAX_ENVELOPE_BYTES, Envelope, cipher_of, new_envelope
from backups.binlogs.segments.facts import SegmentFacts
from backups.binlogs.segments.names import SegmentPlace
from backups.exceptions import ArchiveError, CopyChanged
from backups.repositories.base import ObjectStore
from backups.repositories.layout import NEWER_HINT

FORMAT = 1
KIND = "binlog segment"
# One transaction of a gigabyte has 256 frames; most of a manifest are GTID sets.
MAX_MANIFEST_BYTES = 16 * 1024**2
MAX_BODY_BYTES = 64 * 1024**2


class FrameSpot(NamedTuple):
    """Where a frame is in the object, and which bytes of the binlog it has."""

    offset: int
    stored_bytes: int
    start: int
    raw_bytes: int


@dataclass(frozen=True, slots=True)
class SegmentObject:
    """The object with the bytes, as it was written."""

    stored_bytes: int
    # As hex, of the whole object.
    sha256: str
    frames: Sequence[FrameSpot]
    # Offset and length of the sealed index in the object; none has length 0.
    index_offset: int
    index_bytes: int


@dataclass(frozen=True, slots=True)
class SegmentManifest:
    """A decoded manifest."""

    envelope: Envelope
    facts: SegmentFacts
    object: SegmentObject
    # SHA-256, as hex, of id, cipher and body. Rotating keys does not change it.
    digest: str


def seal_segment(
    envelope: Envelope, facts: SegmentFacts, stored: SegmentObject, cipher: Cipher
) -> bytes:
    """Return the bytes of a manifest."""
    fields = {**facts.as_json(), "object": _object_as_json(stored)}
    body = compress(json.dumps(fields, separators=(",", ":")).encode(), 3)
    if envelope.encrypted:
        sealed = cipher.seal(SealedPart.MANIFEST, 0, body, envelope.backup.bytes)
        body = skippable(SEALED_MAGIC, sealed)
    return _wrap(envelope, body)


def read_segment(
    store: ObjectStore, place: SegmentPlace, keyring: Keyring | None, digest: str = ""
) -> tuple[SegmentManifest, Cipher]:
    """Read the manifest of a place; with ``digest``, CopyChanged if it is another one."""
    manifest, cipher = open_segment(read_blob(store, place.manifest_name), keyring)
    if manifest.facts.place != place:
        raise CopyChanged(f"{place.manifest_name} is the manifest of another segment")
    if digest and manifest.digest != digest:
        raise CopyChanged(f"{place.manifest_name} has changed since it was registered")
    return manifest, cipher


def read_blob(store: ObjectStore, name: str) -> bytes:
    """Return the bytes of a segment's manifest; ArchiveError if none has that size."""
    size = store.size(name)
    if size > MAX_MANIFEST_BYTES:
        raise ArchiveError(f"{name} has {size} bytes, a manifest at most {MAX_MANIFEST_BYTES}")
    return store.read(name, 0, size)


def open_segment(blob: bytes, keyring: Keyring | None) -> tuple[SegmentManifest, Cipher]:
    """Decode a whole manifest; ArchiveError if any bit of it has changed."""
    envelope_text, body = split(blob)
    envelope = parse_envelope(envelope_text)
    digest = _digest_of(envelope, body)
    cipher = cipher_of(envelope, keyring)
    if envelope.encrypted:
        sealed, rest = take(body, SEALED_MAGIC)
        if rest:
            raise ArchiveError("manifest has bytes after its sealed body")
        body = memoryview(cipher.open(SealedPart.MANIFEST, 0, sealed, envelope.backup.bytes))
    try:
        fields = json.loads(decompress(body, limit=MAX_BODY_BYTES))
        facts = SegmentFacts.from_json(fields)
        stored = _object_from_json(fields["object"], facts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise ArchiveError(f"manifest of a segment cannot be decoded: {exc!r:.200}") from None
    return SegmentManifest(envelope, facts, stored, digest), cipher


def segment_digest(blob: bytes) -> tuple[Envelope, str]:
    """Return what can be read without a key: the envelope and what identifies the content."""
    envelope_text, body = split(blob)
    envelope = parse_envelope(envelope_text)
    return envelope, _digest_of(envelope, body)


def rewrap_segment(blob: bytes, keyring: Keyring) -> bytes | None:
    """Return the manifest under the keyring's current key; None if it already is."""
    envelope_text, body = split(blob)
    envelope = parse_envelope(envelope_text)
    if not envelope.encrypted or envelope.key_id == keyring.current.id:
        return None
    data_key = keyring.find(envelope.key_id).unwrap(envelope.wrapped_key, envelope.backup)
    return _wrap(new_envelope(envelope.backup, KIND, data_key, keyring.current), bytes(body))


def parse_envelope(text: memoryview) -> Envelope:
    """Read the envelope of a segment's manifest. Its ``backup`` is the segment's own id."""
    if len(text) > MAX_ENVELOPE_BYTES:
        raise ArchiveError(f"manifest's envelope has {len(text)} bytes")
    try:
        fields = json.loads(bytes(text))
        if fields["mooring"] != KIND:
            raise ArchiveError("manifest is not that of a binlog segment")
        if fields["format"] != FORMAT or type(fields["format"]) is not int:
            raise ArchiveError(
                f"segment has format {fields['format']!r:.20}, this version reads format {FORMAT}",
                hint=NEWER_HINT,
            )
        return Envelope(
            UUID(fields["segment"]),
            KIND,
            str(fields["cipher"]),
            str(fields["key_id"]),
            base64.b64decode(fields["wrapped_key"], validate=True),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise ArchiveError(f"manifest's envelope cannot be decoded: {exc!r:.200}") from None


def _wrap(envelope: Envelope, body: bytes) -> bytes:
    fields = {
        "mooring": KIND,
        "format": FORMAT,
        "segment": str(envelope.backup),
        "cipher": envelope.cipher,
        "key_id": envelope.key_id,
        "wrapped_key": base64.b64encode(envelope.wrapped_key).decode(),
    }
    return wrap(fields, body)


def _digest_of(envelope: Envelope, body: memoryview) -> str:
    digest = hashlib.sha256(f"mooring segment\0{envelope.backup}\0{envelope.cipher}\0".encode())
    digest.update(body)
    return digest.hexdigest()


def _object_as_json(stored: SegmentObject) -> dict[str, Any]:
    return {
        "stored_bytes": stored.stored_bytes,
        "sha256": stored.sha256,
        "frames": [list(frame) for frame in stored.frames],
        "index": [stored.index_offset, stored.index_bytes],
    }


def _object_from_json(fields: Mapping[str, Any], facts: SegmentFacts) -> SegmentObject:
    frames = [FrameSpot(*frame) for frame in fields["frames"]]
    index_offset, index_bytes = fields["index"]
    at = facts.start
    for frame in frames:
        if any(type(value) is not int or value < 0 for value in frame) or frame.start != at:
            raise ArchiveError(f"manifest of a segment has a frame {list(frame)!r:.80}")
        at += frame.raw_bytes
    if at != facts.end:
        raise ArchiveError(f"frames of a segment end at {at}, it ends at {facts.end}")
    if any(type(value) is not int or value < 0 for value in (index_offset, index_bytes)):
        raise ArchiveError("manifest of a segment has no place for its index")
    return SegmentObject(
        int(fields["stored_bytes"]), str(fields["sha256"]), frames, index_offset, index_bytes
    )
