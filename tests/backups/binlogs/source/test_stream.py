"""Is a replica sent exactly the bytes of a stretch, and nothing that it is not to have?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from backups.binlogs.events.gtids import GtidPosition, GtidSet
from backups.binlogs.events.header import (
    FLAG_ARTIFICIAL,
    MAGIC,
    EventHeader,
    EventType,
    checksum_fits,
)
from backups.binlogs.source.known import KnownPosition, KnownSet
from backups.binlogs.source.sent import Sent
from backups.binlogs.source.served import ServedRange, StreamPlace
from backups.binlogs.source.stream import Stream
from backups.exceptions import BinlogDamaged
from backups.programs.compatibility import MARIADB, MYSQL
from tests.backups.binlogs.made import SOURCE, file_of, mariadb_gtid, mysql_gtid, query, rotate, xid
from tests.backups.binlogs.source.held import HeldBinlogs, sent_by, stream_of

Events = list[tuple[EventHeader, bytes]]
A, B = "bin.000001", "bin.000002"


def mysql_file(first: int, last: int) -> bytes:
    events = []
    for number in range(first, last + 1):
        events += [mysql_gtid(number, number), query(b"BEGIN"), xid()]
    return file_of(*events, rotate())


def mariadb_file(*numbers: int) -> bytes:
    events = []
    for number in numbers:
        events += [mariadb_gtid(number), query(b"INSERT"), xid()]
    return file_of(*events, rotate())


def from_files(sent: Events) -> bytes:
    """What of it is in a file."""
    return b"".join(content for header, content in sent if not header.flags & FLAG_ARTIFICIAL)


def gtid_count(sent: Events, kind: int = EventType.GTID) -> int:
    return len([header for header, _ in sent if header.type == kind])


class TestStream:
    def test_whole_files_are_sent_byte_for_byte(self) -> None:
        files = {A: mysql_file(1, 300), B: mysql_file(301, 302)}
        served = HeldBinlogs(files).whole(MYSQL)
        sent = sent_by(stream_of(served), served.begin)
        assert MAGIC + from_files(sent) == files[A] + files[B][len(MAGIC) :]
        artificial = [content for header, content in sent if header.flags & FLAG_ARTIFICIAL]
        assert [content[27:-4] for content in artificial] == [A.encode(), B.encode()]
        assert all(checksum_fits(content) for _, content in sent)

    def test_it_begins_and_ends_between_transactions(self) -> None:
        whole = mysql_file(1, 9)
        start, stop = (len(mysql_file(1, count)) - len(rotate()) for count in (3, 5))
        served = HeldBinlogs({A: whole}).whole(MYSQL)
        served = replace(served, stretches=[ServedRange(A, start, stop)])
        sent = sent_by(stream_of(served), served.begin)
        # The format description comes first, so that the rest can be read.
        assert [header.type for header, _ in sent[:2]] == [EventType.ROTATE, 15]
        assert b"".join(content for _, content in sent[2:]) == whole[start:stop]

    def test_what_is_skipped_or_known_is_left_out_whole(self) -> None:
        served = HeldBinlogs({A: mysql_file(1, 9)}).whole(MYSQL)
        skipped = replace(served, skipped=frozenset({f"{SOURCE}:4"}))
        assert gtid_count(sent_by(stream_of(skipped), served.begin)) == 8
        known = KnownSet(GtidSet.parse(f"{SOURCE}:1-3:7"))
        stream = stream_of(skipped, known)
        sent = sent_by(stream, served.begin)
        assert gtid_count(sent) == 9 - 4 - 1
        assert len([1 for header, _ in sent if header.type == EventType.XID]) == 4

    def test_a_domain_goes_on_behind_its_gtid(self) -> None:
        # Numbers need not rise.
        served = HeldBinlogs({A: mariadb_file(5, 9, 2, 11)}).whole(MARIADB)
        start, named = GtidPosition.parse("0-7-4"), GtidPosition.parse("0-7-2")
        sent = sent_by(stream_of(served, KnownPosition(named, start)), served.begin)
        assert gtid_count(sent, EventType.MARIADB_GTID) == 1
        unknown = KnownPosition(GtidPosition.parse("0-7-77"), start)
        with pytest.raises(BinlogDamaged, match="0-7-77"):
            sent_by(stream_of(served, unknown), served.begin)

    def test_it_says_what_was_sent(self) -> None:
        files = {A: mysql_file(1, 4), B: mysql_file(5, 6)}
        served = HeldBinlogs(files).whole(MYSQL, skipped=frozenset({f"{SOURCE}:2"}))
        sent = Sent(GtidSet())
        sent_by(Stream(served, KnownSet(GtidSet()), sent, 99), served.begin)
        assert sent.complete
        assert sent.gtids == f"{SOURCE}:1:3-6"
        assert (sent.newest.transactions, sent.newest.commit_micros) == (6, 6)
        assert sent.newest.read_bytes == served.bytes_total
        assert sent.up_to(StreamPlace(0, len(files[A]))).transactions == 4
        assert sent.up_to(StreamPlace(0, 0)).transactions == 0


class TestDamage:
    def test_every_flipped_bit_is_found(self) -> None:
        whole = mysql_file(1, 2)
        for at in range(len(MAGIC), len(whole)):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << (at % 8)
            served = HeldBinlogs({A: bytes(damaged)}).whole(MYSQL)
            # The in-use flag is set in any file that a crash has left.
            if (at, at % 8) != (len(MAGIC) + 17, 0):
                with pytest.raises(BinlogDamaged):
                    sent_by(stream_of(served), served.begin)

    def test_fewer_bytes_or_transactions_than_planned(self) -> None:
        whole = mysql_file(1, 4)
        part = len(mysql_file(1, 3)) - len(rotate())
        planned = HeldBinlogs({A: whole}).whole(MYSQL)
        shorter = replace(planned, binlogs=HeldBinlogs({A: whole[:part]}))
        with pytest.raises(BinlogDamaged, match="ends at"):
            sent_by(stream_of(shorter), shorter.begin)
        open_end = len(whole) - len(rotate()) - len(xid())
        inside = replace(planned, stretches=[ServedRange(A, 4, open_end)])
        with pytest.raises(BinlogDamaged, match="not between transactions"):
            sent_by(stream_of(inside), inside.begin)
        other = replace(planned, transactions=5)
        with pytest.raises(BinlogDamaged, match="5 transactions to replay"):
            sent_by(stream_of(other), other.begin)
        assert sent_by(stream_of(replace(planned, transactions=4)), planned.begin)

    def test_what_is_to_be_skipped_and_is_not_there(self) -> None:
        served = HeldBinlogs({A: mysql_file(1, 4)}).whole(
            MYSQL, skipped=frozenset({f"{SOURCE}:04", f"{SOURCE}:3"})
        )
        with pytest.raises(BinlogDamaged, match=":04 was to be left out"):
            sent_by(stream_of(served), served.begin)

    def test_a_second_connection_does_not_change_what_must_be_applied(self) -> None:
        served = HeldBinlogs({A: mariadb_file(1, 2, 3, 4)}).whole(MARIADB)
        start, sent = GtidPosition(), Sent(GtidPosition())
        sent_by(Stream(served, KnownPosition(start, start), sent, 99), served.begin)
        assert sent.wanted == "0-7-4"
        named = GtidPosition.parse("0-7-1")
        again = Stream(served, KnownPosition(named, start), sent, 99)
        sent.add_gtid("0-7-2")
        assert (sent.complete, sent.wanted) == (True, "0-7-4")
        sent_by(again, served.begin)
        assert sent.wanted == "0-7-4"

    def test_what_two_servers_have_is_not_sent_twice(self) -> None:
        files = {A: mariadb_file(9, 4, 6), B: mariadb_file(8, 12)}
        served = HeldBinlogs(files).whole(MARIADB)
        assert sent_by(stream_of(served), served.begin)
        one, two = served.stretches
        over = replace(served, stretches=[one, replace(two, failovers=1)])
        with pytest.raises(BinlogDamaged, match="0-7-8 is in the binlogs of two servers"):
            sent_by(stream_of(over), over.begin)
        # It begins with the new server: nothing was served before.
        later = replace(over, stretches=over.stretches[1:], start_gtids="0-7-8")
        assert sent_by(stream_of(later), later.begin)

    def test_a_stretch_that_ends_inside_an_event(self) -> None:
        whole = mysql_file(1, 2)
        served = HeldBinlogs({A: whole}).whole(MYSQL)
        cut = replace(served, stretches=[ServedRange(A, 4, len(whole) - 5)])
        with pytest.raises(BinlogDamaged, match="only"):
            sent_by(stream_of(cut), cut.begin)
