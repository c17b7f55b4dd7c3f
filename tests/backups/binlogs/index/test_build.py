"""The index of real and hand-made pieces: the same however the bytes come, and true to them."""

from __future__ import annotations

import random

import pytest

from backups.binlogs.events.gtids import parse_gtids
from backups.binlogs.events.header import EventType
from backups.binlogs.index.build import IndexSummary, build_index
from backups.binlogs.index.read import ChangedTable, SegmentIndex
from backups.exceptions import BinlogDamaged
from tests.backups.binlogs.made import (
    SECOND,
    event,
    events_of,
    file_of,
    mysql_gtid,
    query,
    real,
    rotate,
    table_map,
    track,
    xid,
)

FILES = ["mysql-statements", "mysql-formats", "mariadb-statements", "mariadb-formats"]


def index_of(content: bytes, start: int = 0, before: str = "") -> tuple[SegmentIndex, IndexSummary]:
    packed, summary = build_index([content], checksummed=True, start=start, gtids_before=before)
    return SegmentIndex.unpack(packed), summary


@pytest.mark.parametrize("name", FILES)
class TestRealFile:
    def test_has_every_transaction(self, name: str) -> None:
        index, summary = index_of(real(name))
        found, _ = track(real(name))
        assert [(one.start, one.end, one.gtid, one.commit_micros) for one in found] == [
            (one.start, one.end, one.gtid, one.commit_micros) for one in index.transactions()
        ]
        assert summary.transactions == len(found)
        assert summary.end == index.end == len(real(name))

    def test_is_the_same_however_the_bytes_come(self, name: str) -> None:
        content, chance = real(name), random.Random(name)
        whole = build_index([content], checksummed=True, start=0)
        for longest in (1, 3, 30, 700, 4000):
            cuts = sorted(chance.sample(range(len(content)), len(content) // longest // 2 + 1))
            pieces = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
            assert build_index(pieces, checksummed=True, start=0) == whole

    def test_pieces_make_the_whole(self, name: str) -> None:
        content = real(name)
        whole, summary = index_of(content)
        cut = whole.transaction(7).start
        first, before = index_of(content[:cut])
        second, after = index_of(content[cut:], cut, before.gtids_after)
        assert (before.transactions, before.end, second.start) == (7, cut, cut)
        assert after.gtids_after == summary.gtids_after
        ends = [one.end for index in (first, second) for one in index.transactions()]
        assert ends == [one.end for one in whole.transactions()]
        assert second.transaction(0).tables == whole.transaction(7).tables

    def test_says_which_gtids_are_before_each(self, name: str) -> None:
        index, summary = index_of(real(name))
        before = parse_gtids(index.gtids_before(0) or index.transaction(0).gtid)
        for one in index.transactions():
            before.add(one.gtid)
            assert parse_gtids(index.gtids_before(one.number + 1)) == before
        assert index.gtids_before(len(index)) == summary.gtids_after

    def test_any_cut_that_is_none_is_refused(self, name: str) -> None:
        content = real(name)
        borders = {at for _, _, at in events_of(content)} | {len(content)}
        for cut in range(5, len(content), 13):
            if cut not in borders:
                with pytest.raises(BinlogDamaged, match="in the middle"):
                    index_of(content[:cut])


class TestTables:
    def test_rows_are_counted_by_table_and_kind(self) -> None:
        index, _ = index_of(real("mysql-statements"))
        moves = index.transaction(5)
        assert [(t.name, t.inserts, t.updates, t.deletes) for t in moves.tables] == [
            ("shop.a", 1, 1, 0)
        ]
        assert index.transaction(13).tables[0].deletes == 1

    def test_a_payload_is_opened(self) -> None:
        index, _ = index_of(real("mysql-formats"))
        compressed = index.transaction(9)
        assert compressed.tables == (ChangedTable("shop.a", 0, 1, 1, 279),)

    def test_compressed_and_partial_rows_count(self) -> None:
        index, _ = index_of(real("mariadb-formats"))
        assert [(t.updates, t.deletes) for t in index.transaction(12).tables] == [(1, 1)]
        partial, _ = index_of(real("mysql-formats"))
        assert partial.transaction(15).tables[0].updates == 1

    def test_a_table_that_nothing_names_is_refused(self) -> None:
        rows = event(30, b"\x09" + bytes(12))
        with pytest.raises(BinlogDamaged, match="nothing names"):
            index_of(file_of(mysql_gtid(1, 1), query(b"BEGIN"), rows, xid()))

    def test_what_is_not_committed_counts_for_nobody(self) -> None:
        rows = event(30, b"\x09" + bytes(12))
        begun = [mysql_gtid(1, 1), query(b"BEGIN"), table_map(9, "shop", "a"), rows]
        index, summary = index_of(file_of(*begun, rotate()))
        assert (len(index), summary.first_commit_micros) == (0, None)

    def test_a_long_row_event_may_come_in_many_chunks(self) -> None:
        rows = event(30, b"\x09" + bytes(500_000))
        begun = [mysql_gtid(1, 1), query(b"BEGIN"), table_map(9, "shop", "a"), rows, xid()]
        content = file_of(*begun)
        chunks = [content[at : at + 1000] for at in range(0, len(content), 1000)]
        packed, _ = build_index(chunks, checksummed=True, start=0)
        (one,) = SegmentIndex.unpack(packed).transactions()
        assert one.tables == (ChangedTable("shop.a", 1, 0, 0, len(rows)),)


class TestMoment:
    def test_a_state_is_before_the_first_that_was_committed_later(self) -> None:
        # The clock goes back by 20 between the second and the third.
        moments = [100, 130, 110, 140, 140]
        events = [
            whole
            for number, micros in enumerate(moments, 1)
            for whole in (mysql_gtid(number, micros), query(b"BEGIN"), xid())
        ]
        index, summary = index_of(file_of(*events))
        found = {micros: index.first_later_than(micros) for micros in (99, 100, 115, 130, 139, 140)}
        assert found == {99: 0, 100: 1, 115: 1, 130: 3, 139: 3, 140: 5}
        assert (summary.first_commit_micros, summary.latest_commit_micros) == (100, 140)

    def test_finds_a_gtid(self) -> None:
        index, _ = index_of(real("mysql-formats"))
        for one in index.transactions():
            assert index.find(one.gtid) == one.number
        assert index.find("11111111-2222-3333-4444-555555555555:78") is None
        assert index.find("21111111-2222-3333-4444-555555555555:77") is None

    def test_knows_which_offsets_are_boundaries(self) -> None:
        index, _ = index_of(real("mariadb-formats"))
        # Between them is a checkpoint.
        first, second = index.transaction(0), index.transaction(1)
        assert index.starting_at(4) == index.starting_at(first.start) == 0
        assert index.starting_at(first.start + 1) is None
        assert index.starting_at(first.end) == index.starting_at(second.start) == 1
        assert index.starting_at(index.end) == len(index)


class TestStatement:
    @pytest.mark.parametrize(
        ("statement", "kept", "ddl"),
        [
            (b"drop  table\n a", "drop table a", True),
            (b"/* mine */ TRUNCATE a", "/* mine */ TRUNCATE a", True),
            (b"/*!50003 CREATE TRIGGER t */", "/*!50003 CREATE TRIGGER t */", True),
            (b"INSERT INTO a VALUES ('secret')", "INSERT", False),
            (b"CREATE USER a IDENTIFIED BY 'secret'", "CREATE USER a …", True),
            (b"CREATE SERVER s OPTIONS (PASSWORD 'x')", "CREATE SERVER s …", True),
            (b"SET PASSWORD FOR a = 'secret'", "SET", False),
        ],
    )
    def test_keeps_a_ddl_without_secrets(self, statement: bytes, kept: str, ddl: bool) -> None:
        index, _ = index_of(file_of(mysql_gtid(1, 1), query(statement)))
        (one,) = index.transactions()
        assert (one.statement, one.ddl) == (kept, ddl)

    def test_a_long_one_is_cut(self) -> None:
        index, _ = index_of(file_of(mysql_gtid(1, 1), query(b"DROP TABLE " + b"a, " * 300)))
        assert len(index.transaction(0).statement) == 200


class TestPacked:
    def test_is_small(self) -> None:
        events = [
            whole
            for number in range(1, 2001)
            for whole in (
                mysql_gtid(number, SECOND * 1_000_000 + number * 731),
                query(b"BEGIN"),
                table_map(9, "shop", "a"),
                event(30, b"\x09" + bytes(12 + number % 7)),
                xid(),
            )
        ]
        packed, _ = build_index([file_of(*events)], checksummed=True, start=0)
        assert len(packed) / 2000 < 20

    def test_every_changed_byte_is_refused_or_harmless(self) -> None:
        packed, _ = build_index([real("mysql-formats")], checksummed=True, start=0)
        chance = random.Random(1)
        for _ in range(2000):
            changed = bytearray(packed)
            changed[chance.randrange(len(changed))] = chance.randrange(256)
            try:
                index = SegmentIndex.unpack(bytes(changed))
            except BinlogDamaged:
                continue
            # What can be read can be shown.
            assert len(list(index.transactions())) == len(index)

    @pytest.mark.parametrize("content", [b"", b"MOORING BINLOG INDEX 2\n", b"x" * 100])
    def test_refuses_what_is_none(self, content: bytes) -> None:
        with pytest.raises(BinlogDamaged):
            SegmentIndex.unpack(content)


def test_a_type_without_a_name_is_passed_over() -> None:
    unknown = event(200, b"of a later server")
    index, _ = index_of(file_of(unknown, mysql_gtid(1, 1), query(b"BEGIN"), unknown, xid()))
    assert len(index) == 1
    assert 200 not in list(EventType)
