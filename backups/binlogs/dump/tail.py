"""Up to where is a received file whole, and from where is it requested again?

After a crash the end of the newest file may be missing or half written. Events are checked one by
one; what follows the last whole one is cut off. The last transaction is requested once more: what
the source sends then must be the bytes that are here, or its history is another one.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from pathlib import Path

from isal import isal_zlib

from backups.binlogs.events.header import (
    FIRST_OFFSET,
    HEADER,
    LOG_POS_RANGE,
    MAGIC,
    EventHeader,
    EventType,
    read_format_description,
)
from backups.binlogs.events.transactions import TransactionTracker
from backups.exceptions import BinlogDamaged

# The CRC-32 of whatever ends with its own CRC-32.
WHOLE = 0x2144DF1C


@dataclass(frozen=True, slots=True)
class FileTail:
    """The end of a received file."""

    path: Path
    # The end of the last whole event.
    end: int
    # The start of the last whole transaction, or of what follows it where there is none.
    last_transaction: int
    # The end of the last whole transaction: what follows belongs to one that is not whole.
    boundary: int
    checksummed: bool
    # Whether its last event says that another file follows.
    complete: bool
    # Of the last whole transaction, by the source's clock; None: the file has none.
    commit_micros: int | None


def read_tail(path: Path) -> FileTail:
    """Read a file from its beginning to its last whole event."""
    empty = FileTail(
        path, 0, FIRST_OFFSET, FIRST_OFFSET, checksummed=True, complete=False, commit_micros=None
    )
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < FIRST_OFFSET + HEADER.size:
            return empty
        with (
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as content,
        ):
            return _walk(path, content) or empty


def _walk(path: Path, content: memoryview) -> FileTail | None:
    """Return nothing if not even the first event is whole."""
    if content[:FIRST_OFFSET] != MAGIC:
        return None
    first = _event_at(content, FIRST_OFFSET, checksummed=True)
    if first is None or first[0].type != EventType.FORMAT_DESCRIPTION:
        return None
    try:
        checksummed = read_format_description(first[1]).checksummed
    except BinlogDamaged:
        return None
    tracker = TransactionTracker(checksummed)
    end, last, micros, complete = FIRST_OFFSET, FIRST_OFFSET, None, False
    # The first one always has a checksum.
    found: tuple[EventHeader, memoryview] | None = first
    while found is not None:
        header, event = found
        with event:
            if transaction := tracker.feed(header, event, end):
                last, micros = transaction.start, transaction.commit_micros
        end += header.size
        complete = header.type == EventType.ROTATE
        found = _event_at(content, end, checksummed=checksummed)
    return FileTail(path, end, last, tracker.last_boundary, checksummed, complete, micros)


def _event_at(
    content: memoryview, offset: int, *, checksummed: bool
) -> tuple[EventHeader, memoryview] | None:
    """Return the event at an offset; None where no whole one is."""
    if len(content) - offset < HEADER.size:
        return None
    header = EventHeader._make(HEADER.unpack_from(content, offset))
    end = offset + header.size
    if header.size < HEADER.size or end > len(content) or header.log_pos != end % LOG_POS_RANGE:
        return None
    event = content[offset:end]
    if checksummed and isal_zlib.crc32(event) != WHOLE:
        event.release()
        return None
    return header, event
