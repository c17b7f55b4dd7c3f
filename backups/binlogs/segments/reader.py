"""How are the bytes of a stored piece read again, exactly, and is the piece whole?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from backups.archive.cipher import SealedPart
from backups.archive.frames import Extent, open_frame
from backups.archive.keys import Keyring
from backups.binlogs.segments.manifest import FrameSpot, SegmentManifest, read_segment
from backups.binlogs.segments.names import SegmentPlace
from backups.binlogs.segments.writer import FILE, build_header
from backups.exceptions import ArchiveError
from backups.repositories.base import ObjectStore


class SegmentReader:
    """One stored segment. Every byte that it returns was checked."""

    def __init__(
        self, store: ObjectStore, place: SegmentPlace, keyring: Keyring | None, digest: str = ""
    ) -> None:
        """Read the manifest; with ``digest``, CopyChanged unless it is the registered one."""
        self._store, self._place = store, place
        self.manifest: SegmentManifest
        self.manifest, self._cipher = read_segment(store, place, keyring, digest)
        self._header = build_header(self.manifest.envelope.backup, self._cipher)
        found = store.read(place.data_name, 0, len(self._header))
        if found != self._header:
            raise ArchiveError(f"{place.data_name} is not the object that its manifest describes")

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the binlog's bytes from ``start`` to ``end``, both offsets in its file."""
        facts = self.manifest.facts
        if not facts.start <= start <= end <= facts.end:
            raise ArchiveError(
                f"{facts.file} from {start} to {end} is not within the segment "
                f"from {facts.start} to {facts.end}"
            )
        for number, frame in enumerate(self.manifest.object.frames):
            if frame.start < end and start < frame.start + frame.raw_bytes:
                content = self._open(number, frame)
                yield content[max(0, start - frame.start) : end - frame.start]

    def index(self) -> bytes:
        """Return the packed index of the piece's transactions."""
        stored = self.manifest.object
        sealed = self._store.read(self._place.data_name, stored.index_offset, stored.index_bytes)
        return self._cipher.open(SealedPart.FOOTER, 0, sealed, self._header)

    def check_whole(self) -> None:
        """Read and compare everything; ArchiveError if any byte is not what was stored."""
        facts, digest = self.manifest.facts, hashlib.sha256()
        for chunk in self.read(facts.start, facts.end):
            digest.update(chunk)
        if digest.hexdigest() != facts.sha256:
            raise ArchiveError(f"{self._place.data_name} has other bytes than were stored")
        self.index()

    def check_size(self) -> None:
        """Compare the object's size with the manifest."""
        size, expected = self._store.size(self._place.data_name), self.manifest.object.stored_bytes
        if size != expected:
            raise ArchiveError(f"{self._place.data_name} has {size} bytes, expected {expected}")

    def _open(self, number: int, spot: FrameSpot) -> bytes:
        blob = self._store.read(self._place.data_name, spot.offset, spot.stored_bytes)
        frame = open_frame(blob, backup=self.manifest.envelope.backup, cipher=self._cipher)
        expected = [Extent(FILE, spot.start, spot.raw_bytes)]
        if frame.number != number or frame.extents != expected:
            raise ArchiveError(f"{self._place.data_name} has another frame in place of {number}")
        return frame.content
