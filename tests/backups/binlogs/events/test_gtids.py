"""Sets of GTIDs: MySQL's against plain sets of numbers, MariaDB's positions, both as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.binlogs.events.gtid_events import (
    pack_variable_integer,
    read_gtid_event,
    read_variable_integer,
)
from backups.binlogs.events.gtid_lists import (
    decode_set,
    encode_list,
    encode_set,
    read_gtid_list,
    read_previous_gtids,
)
from backups.binlogs.events.gtids import GtidPosition, GtidSet, parse_gtids, sets_join
from backups.binlogs.events.header import EventType, read_header
from backups.exceptions import BinlogDamaged
from tests.backups.binlogs.made import SOURCE, event, events_of, real, track

A, B = "11111111-2222-3333-4444-555555555555", "ef532ada-ec76-11f1-a223-02fc00000001"
KEYS = [A, B, f"{A}:blue", f"{A}:green"]
# The body of a PREVIOUS_GTIDS event of MySQL 9.7, and its own text of the set.
TAGGED_TEXT = "6c4836de-ec77-11f1-a3d5-02fc00000001:1:blue:1:green:1-2"
TAGGED = (
    "01030000000000016c4836deec7711f1a3d502fc0000000100010000000000000001000000000000"
    "0002000000000000006c4836deec7711f1a3d502fc0000000108626c756501000000000000000100"
    "00000000000002000000000000006c4836deec7711f1a3d502fc000000010a677265656e01000000"
    "0000000001000000000000000300000000000000"
)
# Each transaction by its server and number: what a set means.
plain_sets = st.sets(st.tuples(st.sampled_from(KEYS), st.integers(1, 30)))


def as_gtids(plain: set[tuple[str, int]]) -> GtidSet:
    result = GtidSet()
    for key, number in plain:
        result.add(f"{key}:{number}")
    return result


class TestAlgebra:
    @given(plain_sets, plain_sets)
    def test_operators_do_what_they_do_to_plain_sets(
        self, one: set[tuple[str, int]], other: set[tuple[str, int]]
    ) -> None:
        a, b = as_gtids(one), as_gtids(other)
        assert a | b == as_gtids(one | other)
        assert a - b == as_gtids(one - other)
        assert a & b == as_gtids(one & other)
        assert a.covers(b) == (one >= other)
        assert len(a) == len(one)
        assert bool(a) == bool(one)

    @given(plain_sets)
    def test_text_and_bytes_come_back(self, plain: set[tuple[str, int]]) -> None:
        gtids = as_gtids(plain)
        assert GtidSet.parse(str(gtids)) == gtids
        assert decode_set(encode_set(gtids)) == gtids
        assert all(f"{key}:{number}" in gtids for key, number in plain)
        assert f"{A}:31" not in gtids

    def test_a_copy_is_another_set(self) -> None:
        first = GtidSet.parse(f"{A}:1-5")
        second = first.copy()
        second.add(f"{A}:6")
        assert (len(first), len(second)) == (5, 6)


class TestText:
    @pytest.mark.parametrize(
        ("text", "plain"),
        [
            (f"{A}:5:1-3:4", f"{A}:1-5"),
            (f"{A.upper()}:1 ,\n{B}:2", f"{A}:1,{B}:2"),
            (f"{A.replace('-', '')}:7", f"{A}:7"),
            (f"{A}:1:Blue:3-4:6:green:1", f"{A}:1:blue:3-4:6:green:1"),
            ("", ""),
        ],
    )
    def test_reads_what_servers_print(self, text: str, plain: str) -> None:
        assert str(GtidSet.parse(text)) == plain

    @pytest.mark.parametrize(
        "text", ["x:1", A, f"{A}:", f"{A}:0", f"{A}:5-4", f"{A}:1-2-3", f"{A}:99999999999999999999"]
    )
    def test_refuses_what_is_none(self, text: str) -> None:
        with pytest.raises(BinlogDamaged):
            GtidSet.parse(text)

    def test_tells_the_flavours_apart(self) -> None:
        assert parse_gtids("0-1-5,1-1-7") == GtidPosition.parse("0-1-5,1-1-7")
        assert parse_gtids(f"{A}:1") == GtidSet.parse(f"{A}:1")
        assert parse_gtids("") == GtidSet()


class TestPosition:
    def test_the_last_of_a_domain_is_where_it_is(self) -> None:
        position = GtidPosition.parse("0-1-100,0-2-104,1-1-7")
        position.add("0-1-105")
        assert str(position) == "0-1-105,1-1-7"
        assert position.listed() == "0-2-104,1-1-7,0-1-105"
        assert "0-9-105" in position
        assert "0-1-106" not in position
        assert "2-1-1" not in position

    def test_covers_what_lies_before_it(self) -> None:
        position = GtidPosition.parse("0-1-100,1-1-7")
        assert position.covers(GtidPosition.parse("0-2-99"))
        assert position.covers(GtidPosition())
        assert not position.covers(GtidPosition.parse("0-1-100,1-1-8"))
        assert not position.covers(GtidPosition.parse("3-1-1"))

    def test_two_make_the_later_of_each_domain(self) -> None:
        one, other = GtidPosition.parse("0-1-100,1-1-7"), GtidPosition.parse("0-2-99,1-2-9,5-1-1")
        assert str(one | other) == str(other | one) == "0-1-100,1-2-9,5-1-1"

    @pytest.mark.parametrize("text", ["0-1", "0-1-2-3", "a-1-2", "0-1--2"])
    def test_refuses_what_is_none(self, text: str) -> None:
        with pytest.raises(BinlogDamaged):
            GtidPosition.parse(text)


class TestEvents:
    def test_previous_gtids_and_the_file_make_those_of_the_next(self) -> None:
        gtids = GtidSet()
        for one in track(real("mysql-statements"))[0]:
            gtids.add(one.gtid)
        _, (_, previous, _), *_ = events_of(real("mysql-formats"))
        assert read_previous_gtids(previous, checksummed=True) == gtids
        assert encode_set(gtids) == previous[19:-4]

    def test_a_list_and_the_file_make_that_of_the_next(self) -> None:
        _, (_, empty, _), *_ = events_of(real("mariadb-statements"))
        position = read_gtid_list(empty, checksummed=True)
        assert (bool(position), encode_list(position)) == (False, empty[19:-4])
        for one in track(real("mariadb-statements"))[0]:
            position.add(one.gtid)
        _, (_, following, _), *_ = events_of(real("mariadb-formats"))
        assert read_gtid_list(following, checksummed=True) == position
        assert encode_list(position) == following[19:-4]

    def test_a_set_with_tags_as_mysql_9_7_writes_it(self) -> None:
        content = bytes.fromhex(TAGGED)
        gtids = decode_set(content)
        assert str(gtids) == TAGGED_TEXT
        assert encode_set(gtids) == content

    @given(st.integers(0, 2**64 - 1))
    def test_variable_integers_come_back(self, value: int) -> None:
        packed = pack_variable_integer(value)
        assert read_variable_integer(packed + b"x", 0) == (value, len(packed))

    @pytest.mark.parametrize("content", [b"", bytes([1] + [0] * 7), bytes([1] * 30), b"\x01" * 100])
    def test_half_a_set_is_refused(self, content: bytes) -> None:
        with pytest.raises(BinlogDamaged):
            decode_set(content)

    def test_half_a_list_is_refused(self) -> None:
        with pytest.raises(BinlogDamaged):
            read_gtid_list(event(163, b"\x05\0\0\0" + bytes(16)), checksummed=True)


def test_a_forged_commit_time_is_no_date() -> None:
    # Of each field its number and its value; the uuid has 16, the tag has no characters.
    fields = [(0, [0]), (1, SOURCE.bytes), (2, [2]), (3, [0]), (4, [0]), (5, [1]), (6, [1 << 62])]
    numbers = [1, 0, 0, *(each for field, values in fields for each in (field, *values))]
    whole = event(EventType.GTID_TAGGED, b"".join(map(pack_variable_integer, numbers)) + bytes(2))
    with pytest.raises(BinlogDamaged, match="is no date"):
        read_gtid_event(read_header(whole), whole)


@pytest.mark.parametrize(
    ("after", "before", "ended", "joined"),
    [
        ("", "", True, True),
        ("", "", False, False),
        (f"{A}:1-5", f"{A}:1-5", False, True),
        (f"{A}:1-5", f"{A}:1-6", True, False),
        (f"{A}:1-5", "", True, False),
        ("", f"{A}:1-5", True, False),
        ("0-1-5,1-1-7", "1-1-7,0-1-5", True, True),
        ("0-1-5", "0-1-6", True, False),
        ("nonsense", "0-1-6", True, False),
    ],
)
def test_two_files_join_where_their_sets_do(
    after: str, before: str, ended: bool, joined: bool
) -> None:
    assert sets_join(after, before, ended=ended) is joined
