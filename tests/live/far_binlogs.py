"""A binary log whose transactions lie beyond 4 GiB, in a file that takes no room on the disk."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from isal import isal_zlib

from backups.binlogs.events.header import (
    CHECKSUM_BYTES,
    HEADER,
    LOG_POS_RANGE,
    read_header,
)
from backups.binlogs.events.transactions import Transaction, TransactionTracker
from tests.live.binlog_folder import FolderBinlogs

# Events that no server reads: those before a requested position.
FILLER_TYPE, IGNORABLE = 28, 0x80
FILLER_BYTES = 64 << 20
_ZEROS = bytes(1 << 20)


def moved(events: bytes, by: int) -> bytes:
    """Return events, which have checksums, as they are ``by`` bytes later in a file."""
    found = bytearray(events)
    at = 0
    while at < len(found):
        header = read_header(found, at)
        end = at + header.size
        struct.pack_into("<I", found, at + 13, (header.log_pos + by) % LOG_POS_RANGE)
        checksum = zlib.crc32(memoryview(found)[at : end - CHECKSUM_BYTES])
        struct.pack_into("<I", found, end - CHECKSUM_BYTES, checksum)
        at = end
    return bytes(found)


def straddling(size: int) -> int:
    """Return where events of so many bytes begin if 4 GiB is in their middle."""
    return LOG_POS_RANGE - size // 2


def write_far(path: Path, head: bytes, start: int, events: bytes) -> None:
    """Write a file with a head, then nothing of interest, and the events from ``start`` on."""
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.write(head)
        at = len(head)
        while at < start:
            # What is left must be long enough for an event, too.
            size = min(FILLER_BYTES, start - at)
            if 0 < start - at - size < HEADER.size + CHECKSUM_BYTES:
                size -= HEADER.size + CHECKSUM_BYTES
            first, checksum = _filler(size, at)
            file.seek(at)
            file.write(first)
            at += size
            file.seek(at - CHECKSUM_BYTES)
            file.write(checksum)
        file.seek(start)
        file.write(events)


def _filler(size: int, at: int) -> tuple[bytes, bytes]:
    """Return the header of an event of zeros, and its checksum."""
    end = (at + size) % LOG_POS_RANGE
    header = HEADER.pack(1_700_000_000, FILLER_TYPE, 1, size, end, IGNORABLE)
    checksum, left = isal_zlib.crc32(header), size - HEADER.size - CHECKSUM_BYTES
    while left:
        part = _ZEROS[:left]
        checksum = isal_zlib.crc32(part, checksum)
        left -= len(part)
    return header, checksum.to_bytes(CHECKSUM_BYTES, "little")


class FarBinlogs(FolderBinlogs):
    """Binlogs of which one begins far behind its head."""

    def __init__(self, folder: Path, far_file: str, start: int) -> None:
        super().__init__(folder)
        self._far_file, self._start = far_file, start

    def transactions(self, file: str) -> list[Transaction]:
        if file != self._far_file:
            return super().transactions(file)
        content = memoryview(b"".join(self.read(file, self._start, self.size(file))))
        tracker, at, found = TransactionTracker(checksummed=True, start=self._start), 0, []
        while at < len(content):
            header = read_header(content, at)
            ended = tracker.feed(header, content[at : at + header.size], self._start + at)
            found += [ended] if ended else []
            at += header.size
        return found
