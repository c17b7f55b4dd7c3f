"""Reverse statements without a server: what is quoted, what is refused, what is left alone."""

from __future__ import annotations

from decimal import Decimal

import pytest

from backups.binlogs.events.changes import Change, StatementChange, TableRowChange
from backups.binlogs.events.rows import ChangeKind, Image, RowChange
from backups.binlogs.events.table_map import MappedColumn, TableMap
from backups.binlogs.events.values import NotDecoded, Value
from backups.binlogs.undo.columns import TableColumn
from backups.binlogs.undo.literals import literal, quote_name
from backups.binlogs.undo.reverse import Reversal, reverse, script

INT, TEXT, JSON = MappedColumn(3, 0, False), MappedColumn(15, 80, True), MappedColumn(245, 4, True)
TABLE = TableMap(1, "shop", "or`ders", (INT, TEXT, JSON))
COLUMNS = (
    TableColumn("id", "int", key=True),
    TableColumn("n", "varchar", charset="utf8mb4"),
    TableColumn("j", "json"),
)


def change(kind: ChangeKind, before: Image | None, after: Image | None) -> TableRowChange:
    return TableRowChange(TABLE, RowChange(kind, before, after))


def undo(*changes: Change, columns: tuple[TableColumn, ...] | None = COLUMNS) -> Reversal:
    return reverse(changes, lambda _: columns)


class TestStatements:
    def test_the_last_change_is_reversed_first(self) -> None:
        undone = undo(
            change(ChangeKind.INSERT, None, {0: 1, 1: b"a", 2: None}),
            change(ChangeKind.DELETE, {0: 2, 1: b"b", 2: '{"x": 1}'}, None),
            change(ChangeKind.UPDATE, {0: 3, 1: b"c", 2: None}, {0: 4, 1: b"c", 2: None}),
        )
        assert undone.problems == []
        assert undone.statements == [
            "UPDATE `shop`.`or``ders` SET `id` = 3 WHERE `id` <=> 4 AND `n` <=> 'c' "
            "AND `j` IS NULL AND CAST(`n` AS BINARY) <=> X'63' LIMIT 1",
            "INSERT INTO `shop`.`or``ders` (`id`, `n`, `j`) VALUES (2, 'b', "
            "CAST('{\"x\": 1}' AS JSON))",
            "DELETE FROM `shop`.`or``ders` WHERE `id` <=> 1 AND `n` <=> 'a' "
            "AND `j` IS NULL AND CAST(`n` AS BINARY) <=> X'61' LIMIT 1",
        ]
        assert undone.keys == {"shop.or`ders": {f"`id` <=> {number}" for number in (1, 2, 3, 4)}}

    def test_a_generated_column_is_not_set(self) -> None:
        columns = (COLUMNS[0], TableColumn("n", "varchar", generated=True), COLUMNS[2])
        undone = undo(change(ChangeKind.DELETE, {0: 2, 1: b"b", 2: None}, None), columns=columns)
        assert undone.statements == ["INSERT INTO `shop`.`or``ders` (`id`, `j`) VALUES (2, NULL)"]

    def test_a_row_without_a_key_is_found_by_all_columns(self) -> None:
        columns = (TableColumn("id", "int"), *COLUMNS[1:])
        undone = undo(change(ChangeKind.INSERT, None, {0: 1, 1: None, 2: None}), columns=columns)
        (statement,) = undone.statements
        assert "`id` <=> 1 AND `n` IS NULL AND `j` IS NULL LIMIT 1" in statement

    def test_without_a_key_and_with_json_any_of_two_rows_may_be_meant(self) -> None:
        columns = (TableColumn("id", "int"), *COLUMNS[1:])
        one = change(ChangeKind.INSERT, None, {0: 1, 1: None, 2: "[]"})
        (problem,) = undo(one, columns=columns).problems
        assert problem == "insert on shop.or`ders: it has no key, and j cannot be compared"

    def test_a_key_that_cannot_be_compared_finds_no_row(self) -> None:
        columns = (TableColumn("id", "int"), COLUMNS[1], TableColumn("j", "json", key=True))
        one = change(ChangeKind.INSERT, None, {0: 1, 1: None, 2: "[]"})
        (problem,) = undo(one, columns=columns).problems
        assert problem.endswith("its key has columns that cannot be compared: j")

    def test_a_heading_stays_a_comment(self) -> None:
        undone = undo(change(ChangeKind.INSERT, None, {0: 1, 1: b"", 2: None}))
        lines = list(script(undone, ["one\nDROP TABLE a;"]))
        assert lines[0] == "-- one DROP TABLE a;"
        assert "SET @end = IF(@undone = 1, 'COMMIT', 'DO 0');" in lines
        assert "COMMIT;" not in lines


class TestRefused:
    @pytest.mark.parametrize(
        ("one", "problem"),
        [
            (
                StatementChange("shop", "DROP  TABLE a"),
                "a statement without row images: DROP TABLE",
            ),
            (change(ChangeKind.DELETE, {0: 1}, None), "the image has no value of n, j"),
            (change(ChangeKind.UPDATE, {0: 1}, {1: b"x"}), "the image has no value of n"),
            (change(ChangeKind.INSERT, None, {1: b"x"}), "the image has no value of id"),
            (
                change(ChangeKind.DELETE, {0: 1, 1: b"", 2: NotDecoded("why")}, None),
                "the image has no value of j",
            ),
        ],
    )
    def test_what_cannot_be_reversed_is_named(self, one: Change, problem: str) -> None:
        undone = undo(one)
        assert undone.statements == []
        assert problem in undone.problems[0]

    def test_a_table_that_is_gone_or_has_another_type(self) -> None:
        one = change(ChangeKind.INSERT, None, {0: 1, 1: b"", 2: None})
        assert "have no names" in undo(one, columns=None).problems[0]
        other = (TableColumn("id", "bigint", key=True), *COLUMNS[1:])
        assert "its column id is bigint today" in undo(one, columns=other).problems[0]

    def test_uuids_of_mariadb(self) -> None:
        columns = (COLUMNS[0], TableColumn("n", "uuid"), COLUMNS[2])
        undone = undo(change(ChangeKind.INSERT, None, {0: 1, 1: b"", 2: None}), columns=columns)
        assert "columns of type UUID: n" in undone.problems[0]


class TestLiteral:
    @pytest.mark.parametrize(
        ("value", "column", "known", "written"),
        [
            (None, INT, COLUMNS[0], "NULL"),
            (-1, INT, COLUMNS[0], "-1"),
            (-1, INT, TableColumn("id", "int", unsigned=True), "4294967295"),
            (Decimal("-0.50"), MappedColumn(246, 0x0402, False), COLUMNS[0], "-0.50"),
            (b"it's", TEXT, COLUMNS[1], "'it''s'"),
            (b"back\\slash", TEXT, COLUMNS[1], "_utf8mb4 X'6261636b5c736c617368'"),
            ("ü", TEXT, COLUMNS[1], "_utf8mb4 X'c3bc'"),
            (b"\xfc", TEXT, TableColumn("n", "varchar", charset="latin1"), "_latin1 X'fc'"),
            (b"ab", TEXT, TableColumn("n", "varchar", charset="utf16"), "_utf16 X'6162'"),
            (b"\x00", TEXT, TableColumn("n", "varbinary"), "X'00'"),
            (b"\x01", MappedColumn(254, 4, False), TableColumn("n", "binary"), "X'01000000'"),
        ],
    )
    def test_is_exact(
        self, value: Value, column: MappedColumn, known: TableColumn, written: str
    ) -> None:
        assert literal(value, column, known) == written

    def test_names_are_quoted(self) -> None:
        assert quote_name("a`b") == "`a``b`"
