"""Up to where is a received file whole, and from where is it requested again?

After a crash the end of the newest file may be missing or half written. Events are checked one by
one; what follows the last whole one is cut off. The last transaction is requested once more: what
the source sends then must be the bytes that are here, or its history is another one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

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
_READ_BYTES = 1 << 20


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
    """Read a file from its beginning to its last whole event; OSError where the disk fails.

    Read, not mapped: a mapping would end this process, and every other receiver in it.
    """
    with path.open("rb", buffering=_READ_BYTES) as file:
        return _walk(path, file, os.fstat(file.fileno()).st_size) or FileTail(
            path, 0, FIRST_OFFSET, FIRST_OFFSET, checksummed=True, complete=False,
            commit_micros=None,
        )  # fmt: skip


def _walk(path: Path, file: BinaryIO, size: int) -> FileTail | None:
    """Return nothing if not even the first event is whole."""
    if file.read(len(MAGIC)) != MAGIC:
        return None
    first = _next_event(file, FIRST_OFFSET, size, checksummed=True)
    if first is None or first[0].type != EventType.FORMAT_DESCRIPTION:
        return None
    try:
        checksummed = read_format_description(first[1]).checksummed
    except BinlogDamaged:
        return None
    tracker = TransactionTracker(checksummed)
    end, last, micros, complete = FIRST_OFFSET, FIRST_OFFSET, None, False
    # The first one always has a checksum.
    found: tuple[EventHeader, bytes] | None = first
    while found is not None:
        header, event = found
        if transaction := tracker.feed(header, event, end):
            last, micros = transaction.start, transaction.commit_micros
        end += header.size
        complete = header.type == EventType.ROTATE
        found = _next_event(
            file, end, size, checksummed=checksummed, may_omit_end=tracker.may_omit_end
        )
    return FileTail(path, end, last, tracker.last_boundary, checksummed, complete, micros)


def _next_event(
    file: BinaryIO, offset: int, size: int, *, checksummed: bool, may_omit_end: bool = False
) -> tuple[EventHeader, bytes] | None:
    """Return the event at an offset of a file so long; None where no whole one is."""
    if size - offset < HEADER.size:
        return None
    head = file.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    header = EventHeader._make(HEADER.unpack(head))
    end = offset + header.size
    placed = header.log_pos == end % LOG_POS_RANGE or (header.log_pos == 0 and may_omit_end)
    if header.size < HEADER.size or end > size or not placed:
        return None
    event = head + file.read(header.size - HEADER.size)
    if len(event) < header.size or (checksummed and isal_zlib.crc32(event) != WHOLE):
        return None
    return header, event
