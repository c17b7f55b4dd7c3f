"""Are events whole and in their order, however the packets arrive?"""

from __future__ import annotations

import random
import tracemalloc

import pytest

from backups.binlogs.dump import stream as stream_module
from backups.binlogs.dump.errors import StreamEnd, StreamEnded
from backups.binlogs.dump.stream import (
    LARGEST_BUFFER,
    LONGEST_EVENT,
    LONGEST_PACKET,
    EventStream,
)
from backups.binlogs.events.header import HEADER
from backups.exceptions import BinlogDamaged
from tests.backups.binlogs.dump.wire import error_packet, event_packet, packets, stream_of


def events_until_end(stream: EventStream) -> tuple[list[bytes], StreamEnded]:
    found: list[bytes] = []
    while True:
        try:
            found += [bytes(event) for event in stream.read().events]
        except StreamEnded as ended:
            return found, ended


def pieces(content: bytes, seed: int) -> list[bytes]:
    chance, found, at = random.Random(seed), [], 0
    while at < len(content):
        size = chance.choice([1, 3, 40, 5000, 70_000])
        found.append(content[at : at + size])
        at += size
    return found


def long_event(size: int, claimed: int | None = None) -> bytes:
    """An event of zeros; ``claimed``: the size that its header names, if it is another one."""
    return HEADER.pack(0, 30, 7, size if claimed is None else claimed, 0, 0).ljust(size, b"\0")


@pytest.mark.parametrize("seed", range(5))
def test_events_are_the_same_however_they_are_cut(seed: int) -> None:
    events = [bytes([number]) * size for number, size in enumerate((19, 300, 70_000, 25, 200_000))]
    sent = b"".join(map(event_packet, events))
    with stream_of(pieces(sent, seed)) as stream:
        assert events_until_end(stream)[0] == events


@pytest.mark.parametrize("size", [
    LONGEST_PACKET - 2, LONGEST_PACKET - 1, LONGEST_PACKET, 2 * LONGEST_PACKET - 1,
    2 * LONGEST_PACKET + 5, LARGEST_BUFFER, (1 << 20) - 2, (1 << 20) - 1, 1 << 20,
])  # fmt: skip
def test_an_event_of_several_packets_is_one_event(size: int) -> None:
    events = [b"before", long_event(size), b"between", long_event(size), b"after"]
    with stream_of([b"".join(map(event_packet, events))]) as stream:
        assert events_until_end(stream)[0] == events


@pytest.mark.parametrize("claimed", [0, LONGEST_PACKET + 5, LONGEST_EVENT + 1, 2**32 - 1])
def test_an_event_without_end_ends_the_stream(
    claimed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "LONGEST_EVENT", 3 * LONGEST_PACKET)
    endless = long_event(4 * LONGEST_PACKET, claimed)
    with stream_of([event_packet(endless)]) as stream:
        with pytest.raises(BinlogDamaged, match="the source sends an event of at least"):
            stream.read()
        stream.sever()


def test_a_long_event_takes_its_own_memory_once() -> None:
    size = 4 * LONGEST_PACKET
    with stream_of([event_packet(long_event(size))]) as stream:
        tracemalloc.start()
        (event,) = stream.read().events
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(event) == size
    assert most < 2 * size


@pytest.mark.parametrize("sent", [packets(b""), packets(b"\xff\x01\x02\x1b[2J" + bytes(5000))])
def test_no_packet_is_without_a_meaning(sent: bytes) -> None:
    with stream_of([sent, packets(b"\xfe\0\0\0\0")]) as stream:
        ended = events_until_end(stream)[1]
    assert ended.end is StreamEnd.LOST
    assert len(str(ended)) < 1000
    assert str(ended).isprintable()


def test_a_source_that_waits_names_the_event_it_waits_for() -> None:
    sent = [event_packet(b"a" * 30, acknowledge=False), event_packet(b"b" * 30, acknowledge=True)]
    sent.append(event_packet(b"c" * 30, acknowledge=False))
    with stream_of([b"".join(sent)], semi_sync=True) as stream:
        batch = stream.read()
        assert [bytes(event[:1]) for event in batch.events] == [b"a", b"b", b"c"]
        assert batch.acknowledge_after == 2


def test_a_long_event_of_a_source_that_waits() -> None:
    sent = event_packet(long_event(LONGEST_PACKET + 9), acknowledge=True)
    with stream_of([sent], semi_sync=True) as stream:
        batch = stream.read()
        assert (len(batch.events[0]), batch.acknowledge_after) == (LONGEST_PACKET + 9, 1)


def test_events_before_an_error_are_returned_first() -> None:
    sent = event_packet(b"last event") + error_packet(1236, "could not find next log")
    with stream_of([sent]) as stream:
        events, ended = events_until_end(stream)
    assert (events, ended.end) == ([b"last event"], StreamEnd.MISSING)
    assert "could not find next log (1236)" in str(ended)


def test_the_end_of_the_stream_and_of_the_connection_are_lost_connections() -> None:
    for sent in (packets(b"\xfe\0\0\0\0"), b"", packets(b"\x07what")):
        with stream_of([sent]) as stream:
            assert events_until_end(stream)[1].end is StreamEnd.LOST


def test_a_severed_stream_was_stopped() -> None:
    with stream_of([]) as stream:
        stream.sever()
        assert events_until_end(stream)[1].end is StreamEnd.STOPPED


def test_the_buffer_is_small_again_after_a_burst() -> None:
    sent = [event_packet(bytes(900_000)) for _ in range(8)] + [event_packet(b"quiet")] * 3
    with stream_of(sent) as stream:
        assert len(events_until_end(stream)[0]) == 11
        assert len(stream._buffer) <= LARGEST_BUFFER
