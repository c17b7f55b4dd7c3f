"""Binlogs in memory, served to a replica that is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backups.binlogs.events.gtids import GtidPosition, GtidSet
from backups.binlogs.events.header import EventHeader, read_header
from backups.binlogs.source.known import Known, KnownPlace
from backups.binlogs.source.sent import Sent
from backups.binlogs.source.served import Served, ServedRange, StreamPlace
from backups.binlogs.source.stream import Stream


@dataclass(frozen=True)
class HeldBinlogs:
    """Files by their names."""

    files: Mapping[str, bytes]

    def read(self, file: str, start: int, stop: int) -> Iterator[bytes]:
        # Cut where it hurts.
        for at in range(start, stop, 1000):
            yield self.files[file][at : min(at + 1000, stop)]

    def whole(self, flavour: str, **more: object) -> Served:
        stretches = [ServedRange(name, 4, len(content)) for name, content in self.files.items()]
        return Served(self, stretches, flavour, **more)  # type: ignore[arg-type]


def stream_of(
    served: Served, known: Known | None = None, begin: StreamPlace | None = None
) -> Stream:
    empty = GtidPosition() if served.is_mariadb else GtidSet()
    return Stream(served, known or KnownPlace(), Sent(empty), 99)


def sent_by(stream: Stream, begin: StreamPlace) -> list[tuple[EventHeader, bytes]]:
    """Return every event that is sent, without the byte in front."""
    found = []
    for batch in stream.batches(begin):
        for payload in batch:
            assert payload[:1] == b"\0"
            found.append((read_header(payload[1:]), bytes(payload[1:])))
    return found
