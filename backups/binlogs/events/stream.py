"""Which events are in bytes that come in chunks?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from backups.binlogs.events.header import HEADER, EventHeader, read_header
from backups.exceptions import BinlogDamaged


class Event(NamedTuple):
    """A whole event, with its header and checksum, and where it begins in its file."""

    header: EventHeader
    content: bytes
    start: int


def read_events(chunks: Iterable[bytes | bytearray | memoryview], start: int) -> Iterator[Event]:
    """Yield the events of chunks cut anywhere, the first at ``start``; or raise BinlogDamaged."""
    rest = bytearray()
    wanted = HEADER.size
    for chunk in chunks:
        rest += chunk
        if len(rest) < wanted:
            continue
        buffer, at = bytes(rest), 0
        wanted = HEADER.size
        while len(buffer) - at >= HEADER.size:
            header = read_header(buffer, at)
            if header.size > len(buffer) - at:
                wanted = header.size
                break
            yield Event(header, buffer[at : at + header.size], start + at)
            at += header.size
        start += at
        rest = bytearray(buffer[at:])
    if rest:
        raise BinlogDamaged(f"the events end in the middle of one, at offset {start}")
