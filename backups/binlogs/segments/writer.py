"""How do the bytes of a piece get into a repository: compressed, sealed, durable, manifest last?

header   32 bytes   "MOORBLOG", u16 format, u16 cipher, u32 0, 16 bytes the segment's own id
frames              as in packs: zstd of up to 4 MiB, one extent, of file 1
index               sealed zstd: what the piece has, transaction by transaction
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

from backups.archive.cipher import AesGcm, Cipher, SealedPart, Unencrypted
from backups.archive.compression import compress
from backups.archive.frames import MAX_RAW_BYTES, Compressed, Extent, build_frame
from backups.archive.keys import KEY_BYTES, KeyEncryptionKey
from backups.archive.manifest import new_envelope
from backups.archive.packs import HEADER
from backups.binlogs.segments.facts import SegmentFacts
from backups.binlogs.segments.manifest import (
    FORMAT,
    KIND,
    FrameSpot,
    SegmentObject,
    seal_segment,
    segment_digest,
)
from backups.exceptions import BinlogDamaged
from backups.repositories.base import ObjectStore, Upload

MAGIC = b"MOORBLOG"
# The only file that a segment has bytes of.
FILE = 1
LEVEL = 3


@dataclass(frozen=True, slots=True)
class WrittenSegment:
    """A segment that a store has."""

    stored_bytes: int
    key_id: str
    digest: str


def write_segment(
    store: ObjectStore,
    facts: SegmentFacts,
    content: Iterable[bytes],
    *,
    index: bytes,
    key: KeyEncryptionKey | None,
    check: Callable[[], None],
) -> WrittenSegment:
    """Store one piece under a data key of its own; without ``key`` unencrypted.

    ``content`` are its bytes, of which the facts have the hash: BinlogDamaged if it is another one.
    ``check`` is called before each commit, and raises if the writer must not go on.
    What a killed attempt has left without a manifest is replaced.
    """
    place, segment, data_key = facts.place, uuid4(), os.urandom(KEY_BYTES)
    cipher: Cipher = Unencrypted() if key is None else AesGcm(data_key)
    if not store.exists(place.manifest_name):
        store.remove(place.data_name)
    with store.create(place.data_name) as upload:
        stored = _write_content(_Output(upload, segment, cipher), facts, content, index)
        check()
        upload.commit()
    envelope = new_envelope(segment, KIND, data_key, key)
    manifest = seal_segment(envelope, facts, stored, cipher)
    with store.create(place.manifest_name) as upload:
        upload.write(manifest)
        check()
        upload.commit()
    size = stored.stored_bytes + len(manifest)
    return WrittenSegment(size, envelope.key_id, segment_digest(manifest)[1])


def build_header(segment: UUID, cipher: Cipher) -> bytes:
    """Return the first bytes of the object."""
    return HEADER.pack(MAGIC, FORMAT, cipher.number, 0, segment.bytes)


class _Output:
    """The object of a segment, being written."""

    def __init__(self, upload: Upload, segment: UUID, cipher: Cipher) -> None:
        self._upload = upload
        self._digest = hashlib.sha256()
        self.size = 0
        self.segment, self.cipher = segment, cipher
        self.header = build_header(segment, cipher)
        self.write(self.header)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._upload.write(chunk)
        self.size += len(chunk)


def _write_content(
    output: _Output, facts: SegmentFacts, content: Iterable[bytes], index: bytes
) -> SegmentObject:
    frames: list[FrameSpot] = []
    digest, at = hashlib.sha256(), facts.start
    for number, chunk in enumerate(_frames_of(content)):
        digest.update(chunk)
        compressed = Compressed(compress(chunk, LEVEL), len(chunk))
        extents = [Extent(FILE, at, len(chunk))]
        stored = build_frame(
            number, extents, compressed, backup=output.segment, cipher=output.cipher
        )
        frames.append(FrameSpot(output.size, len(stored), at, len(chunk)))
        output.write(stored)
        at += len(chunk)
    if at != facts.end or digest.hexdigest() != facts.sha256:
        raise BinlogDamaged(
            f"{facts.file} from {facts.start} to {facts.end} changed between two reads of the spool"
        )
    index_offset = output.size
    sealed = output.cipher.seal(SealedPart.FOOTER, 0, index, output.header)
    output.write(sealed)
    return SegmentObject(output.size, output.sha256, frames, index_offset, len(sealed))


def _frames_of(content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes in pieces as long as a frame takes them."""
    waiting = bytearray()
    for chunk in content:
        waiting += chunk
        while len(waiting) >= MAX_RAW_BYTES:
            yield bytes(waiting[:MAX_RAW_BYTES])
            del waiting[:MAX_RAW_BYTES]
    if waiting:
        yield bytes(waiting)
