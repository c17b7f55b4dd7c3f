"""How do bytes of a file become whole, checked events?"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from backups.binlogs.events.header import (
    CHECKSUM_BYTES,
    FIRST_OFFSET,
    HEADER,
    LOG_POS_RANGE,
    EventHeader,
    EventType,
    FormatDescription,
    checksum_fits,
    read_format_description,
    read_header,
)
from backups.binlogs.source.served import BinlogBytes
from backups.exceptions import BinlogDamaged

# More than the events a file begins with, unless its GTID set is very long.
_HEAD_BYTES = 64 * 1024
# With them a file begins, in front of its first transaction.
_HEAD_TYPES = frozenset(
    {
        EventType.FORMAT_DESCRIPTION,
        EventType.PREVIOUS_GTIDS,
        EventType.MARIADB_GTID_LIST,
        EventType.MARIADB_START_ENCRYPTION,
        EventType.MARIADB_CHECKPOINT,
    }
)


class PlacedEvent(NamedTuple):
    """A whole event and the offset of its first byte."""

    offset: int
    header: EventHeader
    content: memoryview


class FileHead(NamedTuple):
    """The events a file begins with."""

    description: FormatDescription
    events: list[PlacedEvent]

    @property
    def end(self) -> int:
        last = self.events[-1]
        return last.offset + last.header.size


def events_of(
    chunks: Iterable[bytes], start: int, file: str, *, checksummed: bool
) -> Iterator[PlacedEvent]:
    """Yield the events of a stretch, each checked; BinlogDamaged for anything else."""
    rest, offset, smallest = b"", start, HEADER.size
    unpack, crc32 = HEADER.unpack_from, zlib.crc32
    for chunk in chunks:
        view = memoryview(rest + chunk if rest else chunk)
        at, length = 0, len(view)
        while length - at >= smallest:
            header = EventHeader._make(unpack(view, at))
            end = at + header.size
            if header.size < smallest:
                raise _damaged(file, offset, f"its size is {header.size}")
            if end > length:
                break
            event = view[at:end]
            # 0 is what a MariaDB writes inside transactions: TransactionTracker.may_omit_end.
            if header.log_pos not in (0, (offset + header.size) % LOG_POS_RANGE):
                raise _damaged(file, offset, f"it says that it ends at {header.log_pos}")
            if header.type == EventType.FORMAT_DESCRIPTION:
                if not checksum_fits(event, in_use=True):
                    raise _damaged(file, offset, "its checksum is wrong")
            elif checksummed and crc32(event[:-CHECKSUM_BYTES]) != int.from_bytes(
                event[-CHECKSUM_BYTES:], "little"
            ):
                raise _damaged(file, offset, "its checksum is wrong")
            yield PlacedEvent(offset, header, event)
            at, offset = end, offset + header.size
        rest = bytes(view[at:])
    if rest:
        raise _damaged(file, offset, f"only {len(rest)} bytes of it are there")


def read_head(binlogs: BinlogBytes, file: str, known_end: int) -> FileHead:
    """Read what a file begins with; ``known_end`` is how far it can be read."""
    wanted = _HEAD_BYTES
    while True:
        end = min(FIRST_OFFSET + wanted, known_end)
        content = b"".join(binlogs.read(file, FIRST_OFFSET, end))
        if (head := _parse_head(content, file, whole=end == known_end)) is not None:
            return head
        wanted *= 8


def _parse_head(content: bytes, file: str, *, whole: bool) -> FileHead | None:
    """Return the head; None where more has to be read to see its end."""
    first = read_header(content)
    if first.type != EventType.FORMAT_DESCRIPTION or first.size > len(content):
        raise _damaged(file, FIRST_OFFSET, "a file begins with a format description")
    description = read_format_description(memoryview(content)[: first.size])
    found: list[PlacedEvent] = []
    at = 0
    while len(content) - at >= HEADER.size:
        header = read_header(content, at)
        if header.type not in _HEAD_TYPES:
            return FileHead(description, found)
        if at + header.size > len(content):
            break
        event = memoryview(content)[at : at + header.size]
        # The first has one whatever it says: it says how the others are read.
        checked = at == 0 or description.checksummed
        if checked and not checksum_fits(event, in_use=at == 0):
            raise _damaged(file, FIRST_OFFSET + at, "its checksum is wrong")
        found.append(PlacedEvent(FIRST_OFFSET + at, header, event))
        at += header.size
    return FileHead(description, found) if whole else None


def _damaged(file: str, offset: int, why: str) -> BinlogDamaged:
    return BinlogDamaged(
        f"{file}: the event at {offset} is damaged: {why}",
        hint="Replay to a moment before it, or from another copy of the archive.",
    )
