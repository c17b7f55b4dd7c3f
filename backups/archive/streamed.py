"""How is a pack read from its beginning to its end, without its index?

The header of each frame says how long it is, and the manifest how many there are. What follows them
is the footer: it is compared with what came before. One frame is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

from backups.archive.frames import HEADER as FRAME_HEADER
from backups.archive.frames import Frame, parse_header
from backups.archive.packs import (
    HEADER,
    MAX_FOOTER_BYTES,
    TRAILER,
    PackIndex,
    check_header,
    parse_footer,
    parse_trailer,
)
from backups.archive.reader import BackupReader, naming
from backups.exceptions import ArchiveError
from backups.repositories.sequential.stream import ObjectStream


class PackStream:
    """A pack of a backup that is being read in order."""

    def __init__(self, reader: BackupReader, number: int, stream: ObjectStream) -> None:
        self._reader, self._number, self._stream = reader, number, stream
        self._name = reader.pack_object(number)
        self._listed = reader.manifest.contents.packs[number - 1]
        self._header = b""
        # Number, offset and stored length of each frame that was read.
        self.places: list[tuple[int, int, int]] = []

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and stored bytes of every frame; each is checked when it is opened."""
        with naming(self._name):
            if self._stream.sha256 != self._listed.sha256:
                # The stream compares what it reads with that.
                raise ArchiveError("its SHA-256 is not the manifest's")
            self._header = self._stream.read(HEADER.size)
            check_header(
                self._header, self._number, backup=self._reader.backup, cipher=self._reader.cipher
            )
        for number in range(
            self._listed.first_frame, self._listed.first_frame + self._listed.frames
        ):
            offset = self._stream.position
            with naming(f"{self._name} at byte {offset}"):
                head = self._stream.read(FRAME_HEADER.size)
                length = parse_header(head).sealed_bytes
            self.places.append((number, offset, len(head) + length))
            yield number, head + self._stream.read(length)

    def open(self, number: int, stored: bytes) -> Frame:
        """Unseal and decompress a frame that was read; in any thread."""
        with naming(f"{self._name}, frame {number}"):
            frame = self._reader.open_frame_alone(stored)
            if frame.number != number:
                raise ArchiveError(f"it says it is frame {frame.number}")
            return frame

    def finish(self) -> PackIndex:
        """Read footer and end; return the index. ArchiveError unless the pack is the listed one."""
        frames_end = self._stream.position
        tail = self._listed.stored_bytes - frames_end
        with naming(self._name):
            if not TRAILER.size <= tail <= MAX_FOOTER_BYTES + TRAILER.size:
                raise ArchiveError(f"its frames end at byte {frames_end}, the manifest disagrees")
            rest = self._stream.read(tail)
            self._stream.finish()
            if self._stream.position != self._listed.stored_bytes:
                raise ArchiveError(
                    f"{self._stream.position} bytes, the manifest says {self._listed.stored_bytes}"
                )
            offset, length = parse_trailer(rest[-TRAILER.size :], self._listed.stored_bytes)
            index = parse_footer(
                rest[offset - frames_end : offset - frames_end + length],
                self._number,
                offset,
                header=self._header,
                cipher=self._reader.cipher,
            )
            if [tuple(place[:3]) for place in index.frames] != self.places:
                raise ArchiveError("its index is not of the frames before it")
            return index
