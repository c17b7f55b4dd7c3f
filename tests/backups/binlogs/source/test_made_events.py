"""Are the events that only a stream has what a replica expects?"""

from __future__ import annotations

from backups.binlogs.events.header import checksum_fits, read_header
from backups.binlogs.source.made_events import heartbeat

FILE = "bin.000001"


def test_a_heartbeat_names_the_place_that_was_reached() -> None:
    event = heartbeat(FILE, (1 << 32) - 1, 9, checksummed=True)
    assert event is not None
    assert checksum_fits(event)
    assert read_header(event).log_pos == (1 << 32) - 1


def test_beyond_4_gib_there_is_none() -> None:
    assert heartbeat(FILE, 1 << 32, 9, checksummed=True) is None
