"""Where transactions begin and end: in real files of both flavours, and in hand-made ones."""

from __future__ import annotations

import pytest

from backups.binlogs.events.gtid_events import GTID_TYPES, read_gtid_event
from backups.binlogs.events.transactions import DECISIVE_TYPES, TransactionTracker
from backups.exceptions import BinlogDamaged
from tests.backups.binlogs.made import (
    SECOND,
    SOURCE,
    event,
    events_of,
    file_of,
    mariadb_gtid,
    mysql_gtid,
    query,
    real,
    rotate,
    track,
    xid,
)

MICROS = SECOND * 1_000_000
# Ends with XID, COMMIT, ROLLBACK, XA PREPARE, XA COMMIT, a lone statement, a payload.
REAL_FILES = {
    "mysql-statements": 19,
    "mysql-formats": 18,
    "mariadb-statements": 20,
    "mariadb-formats": 22,
}


@pytest.mark.parametrize("name", REAL_FILES)
class TestRealFile:
    def test_its_transactions_lie_side_by_side_to_its_end(self, name: str) -> None:
        content = real(name)
        found, tracker = track(content)
        assert len(found) == REAL_FILES[name]
        assert not tracker.inside
        assert tracker.last_boundary == len(content)
        starts = [at for header, _, at in events_of(content) if header.type in GTID_TYPES]
        assert [one.start for one in found] == starts
        between = [
            header.type
            for header, _, at in events_of(content)
            if not any(one.start <= at < one.end for one in found)
        ]
        # Description, previous GTIDs or list, rotation, MariaDB's checkpoints.
        assert set(between) <= {15, 35, 163, 4, 161}

    def test_mysql_says_the_same_length(self, name: str) -> None:
        content = real(name)
        said = [
            read_gtid_event(header, whole).length
            for header, whole, _ in events_of(content)
            if header.type in GTID_TYPES
        ]
        found, _ = track(content)
        if name.startswith("mysql"):
            assert said == [one.end - one.start for one in found]
        else:
            assert set(said) == {0}

    def test_it_needs_only_the_decisive_types(self, name: str) -> None:
        content = real(name)
        tracker = TransactionTracker(checksummed=True)
        fed = [e for e in events_of(content) if e[0].type in DECISIVE_TYPES]
        found = [one for one in (tracker.feed(*e) for e in fed) if one]
        assert found == track(content)[0]
        # Rows are most of a busy server's events.
        assert not {19, 23, 24, 25, 30, 31, 32} & DECISIVE_TYPES

    def test_a_cut_at_any_event_leaves_whole_transactions(self, name: str) -> None:
        content = real(name)
        found, _ = track(content)
        for _, _, cut in events_of(content):
            before, tracker = track(content[:cut])
            assert before == [one for one in found if one.end <= cut]
            assert tracker.last_boundary <= max(cut, 4)
            assert not any(one.start < tracker.last_boundary < one.end for one in found)


class TestGtid:
    def test_names_are_as_people_write_them(self) -> None:
        names = [one.gtid for one in track(real("mysql-formats"))[0]]
        assert names[:2] == [f"{SOURCE}:20", f"{SOURCE}:21"]
        assert f"{SOURCE}:blue:1" in names
        assert "11111111-2222-3333-4444-555555555555:77" in names
        mariadb = [one.gtid for one in track(real("mariadb-statements"))[0]]
        assert mariadb == [f"0-5-{number}" for number in range(1, 21)]

    def test_the_moment_is_that_of_the_commit_here(self) -> None:
        (one,), _ = track(file_of(mysql_gtid(1, MICROS + 5, original=9), query(b"BEGIN"), xid()))
        assert one.commit_micros == MICROS + 5

    def test_an_anonymous_one_has_no_name(self) -> None:
        anonymous = bytearray(mysql_gtid(0, MICROS))
        anonymous[4] = 34
        (one,), _ = track(file_of(bytes(anonymous), query(b"BEGIN"), xid()))
        assert (one.gtid, one.commit_micros) == ("", MICROS)

    def test_mysql_5_7_has_the_second_of_its_header(self) -> None:
        short = event(33, mysql_gtid(3, 0)[19:61])
        (one,), _ = track(file_of(short, query(b"BEGIN"), xid(SECOND + 2)))
        assert (one.gtid, one.commit_micros) == (f"{SOURCE}:3", MICROS + 2_000_000)

    @pytest.mark.parametrize("kind", [33, 42, 162])
    def test_half_of_one_is_refused(self, kind: int) -> None:
        with pytest.raises(BinlogDamaged, match="too short"):
            track(file_of(event(kind, b"\1\2")))


class TestEnd:
    @pytest.mark.parametrize("statement", [b"COMMIT", b"ROLLBACK", b"rollback /* mine */"])
    def test_a_statement_ends_what_began(self, statement: bytes) -> None:
        found, _ = track(file_of(mysql_gtid(1, MICROS), query(b"BEGIN"), query(statement)))
        assert len(found) == 1

    def test_back_to_a_savepoint_is_no_end(self) -> None:
        events = [mysql_gtid(1, MICROS), query(b"BEGIN"), query(b"ROLLBACK TO `here`"), xid()]
        content = file_of(*events)
        (one,), _ = track(content)
        assert one.end == len(content)

    def test_mariadb_needs_no_begin(self) -> None:
        content = file_of(mariadb_gtid(1), query(b"INSERT INTO a VALUES (1)"), query(b"COMMIT"))
        (one,), _ = track(content)
        assert (one.end, one.statement) == (len(content), b"INSERT INTO a VALUES (1)")

    def test_a_lone_statement_ends_with_itself(self) -> None:
        ddl = query(b"DROP TABLE a", seconds=40, second=SECOND)
        (one,), _ = track(file_of(mariadb_gtid(1, flags=1), ddl, rotate()))
        assert one.statement == b"DROP TABLE a"
        # Committed when it ended: MariaDB's second is the statement's first.
        assert one.commit_micros == MICROS + 40_000_000

    def test_a_statement_after_begin_is_no_end(self) -> None:
        content = file_of(mysql_gtid(1, MICROS), query(b"BEGIN"), query(b"UPDATE a SET b = 1"))
        found, tracker = track(content)
        assert found == []
        assert tracker.inside

    def test_where_the_next_begins_none_is_open(self) -> None:
        first = [mysql_gtid(1, MICROS), query(b"BEGIN"), event(99, b"unknown end")]
        content = file_of(*first, mysql_gtid(2, MICROS), query(b"BEGIN"), xid())
        found, _ = track(content)
        assert [one.gtid for one in found] == [f"{SOURCE}:1", f"{SOURCE}:2"]
        assert found[0].end == found[1].start

    def test_what_the_end_of_a_file_leaves_open_was_never_committed(self) -> None:
        content = file_of(mysql_gtid(1, MICROS), query(b"BEGIN"), rotate())
        found, tracker = track(content)
        assert found == []
        assert tracker.last_boundary == len(content)
