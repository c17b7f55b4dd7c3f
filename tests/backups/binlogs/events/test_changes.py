"""What transactions of real files did, row by row; and damaged events are refused."""

from __future__ import annotations

import random

import pytest

from backups.binlogs.events.changes import Change, StatementChange, TableRowChange, read_changes
from backups.binlogs.events.decimals import decimal_size
from backups.binlogs.events.json_values import json_text
from backups.binlogs.events.payload import payload_chunks
from backups.binlogs.events.rows import ChangeKind
from backups.binlogs.events.stream import read_events
from backups.binlogs.events.values import NotDecoded
from backups.exceptions import BinlogDamaged
from tests.backups.binlogs.made import event, real, table_map

FILES = ["mysql-statements", "mysql-formats", "mariadb-statements", "mariadb-formats"]
# An array whose only element is itself; and arrays of two equal elements, each the next array.
LOOP = b"\x02\x01\x00\x07\x00\x02\x00\x00"
BOMB = (
    b"\x02"
    + b"".join(b"\x02\x00\x0a\x00" + b"\x02\x0a\x00" * 2 for _ in range(100))
    + b"\x00\x00\x04\x00"
)


def changes_of(name: str) -> list[Change]:
    return list(read_changes([real(name)[4:]], 4, checksummed=True))


def rows_of(name: str, table: str) -> list[TableRowChange]:
    changes = changes_of(name)
    return [one for one in changes if isinstance(one, TableRowChange) and one.table.name == table]


class TestRealFile:
    def test_rows_are_as_they_were_written(self) -> None:
        for name, text in (("mysql-statements", "z"), ("mariadb-statements", b"z")):
            updates = [one.row for one in rows_of(name, "shop.a") if one.row.before]
            assert updates[0].kind is ChangeKind.UPDATE
            assert updates[0].after == {0: 1, 1: text}
            assert updates[1].kind is ChangeKind.DELETE

    def test_a_payload_and_compressed_rows_are_opened(self) -> None:
        for name in ("mysql-formats", "mariadb-formats"):
            deleted = [one.row for one in rows_of(name, "shop.a") if one.row.after is None]
            assert [row.before[0] for row in deleted if row.before] == [1, 10, 12, 50]

    def test_a_minimal_image_has_only_what_was_needed(self) -> None:
        last = rows_of("mariadb-formats", "shop.a")[-2].row
        assert (last.before, last.after) == ({0: 101}, {1: b"min"})

    def test_a_partial_json_is_not_guessed(self) -> None:
        update = rows_of("mysql-formats", "shop.j")[-1].row
        assert update.before is not None and update.after is not None
        whole = '{"a": [1, 2.5, "x", null, true], "b": {"c": 70000}}'
        assert update.before[1] == whole
        assert isinstance(update.after[1], NotDecoded)

    def test_full_metadata_has_names_signs_and_key(self) -> None:
        table = rows_of("mysql-formats", "shop.a")[0].table
        assert [column.name for column in table.columns] == ["id", "n", "c"]
        assert [column.unsigned for column in table.columns] == [False, None, True]
        assert table.primary_key == (0,)

    def test_statements_are_there_as_text(self) -> None:
        for name in ("mysql-formats", "mariadb-formats"):
            texts = [one.text for one in changes_of(name) if isinstance(one, StatementChange)]
            assert "UPDATE shop.a SET c=@v" in texts
            assert "DROP VIEW shop.v" in texts
        compressed = [
            one.text for one in changes_of("mariadb-formats") if isinstance(one, StatementChange)
        ]
        assert any(text.startswith("CREATE TABLE shop.zzz") for text in compressed)


class TestDamage:
    @pytest.mark.parametrize("name", FILES)
    def test_any_changed_byte_is_an_error_or_a_value(self, name: str) -> None:
        content, chance = real(name), random.Random(name)
        for _ in range(1500):
            changed = bytearray(content)
            changed[chance.randrange(4, len(content))] = chance.randrange(256)
            try:
                list(read_changes([changed[4:]], 4, checksummed=True))
            except BinlogDamaged:
                continue

    def test_half_an_event_is_refused(self) -> None:
        with pytest.raises(BinlogDamaged, match="in the middle"):
            list(read_events([real("mysql-formats")[4:-1]], 4))

    def test_rows_of_a_table_that_nothing_names(self) -> None:
        with pytest.raises(BinlogDamaged, match="nothing names"):
            list(read_changes([event(30, b"\x09" + bytes(20))], 0, checksummed=True))

    def test_rows_with_other_columns_than_their_table(self) -> None:
        rows = event(30, b"\x09" + bytes(7) + b"\x02\0\x05\x1f\0\x07")
        with pytest.raises(BinlogDamaged, match="has others"):
            list(read_changes([table_map(9, "shop", "a"), rows], 0, checksummed=True))

    def test_rows_without_columns(self) -> None:
        rows = event(30, b"\x09" + bytes(7) + b"\x02\0\0\x07")
        with pytest.raises(BinlogDamaged, match="takes no bytes"):
            list(read_changes([table_map(9, "shop", "a"), rows], 0, checksummed=True))

    @pytest.mark.parametrize("body", [b"", b"\x01\x01", b"\x02\x01\x07\x00"])
    def test_a_payload_that_is_none(self, body: bytes) -> None:
        with pytest.raises(BinlogDamaged):
            list(payload_chunks(event(40, body)[:-4]))

    @pytest.mark.parametrize(
        "content", [b"\x00", b"\x0c\x85", b"\x63", b"\x02\x01\x00\x07\x00\x02\x00\x00"]
    )
    def test_a_json_value_that_is_none(self, content: bytes) -> None:
        with pytest.raises(BinlogDamaged):
            json_text(content)

    def test_a_decimal_that_no_server_has(self) -> None:
        with pytest.raises(BinlogDamaged):
            decimal_size(4, 5)
