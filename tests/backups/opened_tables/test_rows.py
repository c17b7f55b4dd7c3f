"""Statements that read rows: the table's own columns, a list of operators, parameters."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
from pymysql.connections import Connection
from pymysql.cursors import SSCursor

from backups.exceptions import BadInput
from backups.management.browsed_rows import drawn
from backups.opened_tables import rows
from backups.opened_tables.columns import OpenedColumn, key_of
from backups.opened_tables.rows import (
    MOST_BYTES,
    MOST_ROWS,
    KeyCondition,
    RowChoice,
    TableRows,
    build_statement,
    fetch_rows_shown,
    parse_condition,
)
from backups.table_names.names import TableName

ORDERS = TableName("shop", "orders")
COLUMNS = [
    OpenedColumn("note", "text"),
    OpenedColumn("b`%s", "int", 2),
    OpenedColumn("id", "bigint", 1),
]


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("id >= 100", KeyCondition("id", ">=", "100")),
        ("id=100", KeyCondition("id", "=", "100")),
        ("`a ``b` < x y ", KeyCondition("a `b", "<", "x y")),
        ("day<='2026-01-01'", KeyCondition("day", "<=", "'2026-01-01'")),
        ("id = 1 OR 1=1", KeyCondition("id", "=", "1 OR 1=1")),
    ],
)
def test_conditions(text: str, parsed: KeyCondition) -> None:
    assert parse_condition(text) == parsed


@pytest.mark.parametrize("text", ["", "id", "id LIKE 7", "= 7", "id <> 7; DROP TABLE x"])
def test_what_is_no_condition(text: str) -> None:
    found: KeyCondition | None
    try:
        found = parse_condition(text)
    except BadInput:
        return
    # A parameter, whatever is in it.
    assert found.operator in ("<", "=")
    assert text.startswith("id <")
    assert found.value == "> 7; DROP TABLE x"


def test_the_primary_key_gives_the_order() -> None:
    assert [each.name for each in key_of(COLUMNS)] == ["id", "b`%s"]
    sql, values = build_statement(ORDERS, COLUMNS, RowChoice(descending=True, limit=5))
    assert sql.endswith("FROM `shop`.`orders` ORDER BY `id` DESC, `b``%s` DESC LIMIT 6")
    assert values == []


def test_values_are_parameters_and_names_are_escaped_for_the_driver() -> None:
    evil = KeyCondition("b`%s", ">", "1; DROP TABLE x")
    sql, values = build_statement(ORDERS, COLUMNS, RowChoice([evil]))
    assert "WHERE `b``%%s` > %s ORDER BY" in sql
    assert values == ["1; DROP TABLE x"]
    assert len(re.findall(r"(?<!%)%s", sql)) == 1


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        (RowChoice([KeyCondition("note", "=", "x")]), "no column of the primary key"),
        (RowChoice([KeyCondition("id", "OR 1=1 --", "x")]), "no column of the primary key"),
        (RowChoice(limit=0), "cannot be shown"),
        (RowChoice(limit=MOST_ROWS + 1), "cannot be shown"),
    ],
)
def test_other_choices_are_refused(choice: RowChoice, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        build_statement(ORDERS, COLUMNS, choice)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("password_hash", True), ("API_KEY", True), ("session_token", True), ("pin", True),
        ("shipping", False), ("spinner", False), ("note", False), ("hashtag", False),
    ],
)  # fmt: skip
def test_secrets_are_known_by_their_names(name: str, secret: bool) -> None:
    column = OpenedColumn(name, "varchar")
    assert column.is_secret == secret
    assert ("***" in column.shown) == secret


class Streaming:
    """A connection whose table has rows without end; counts those that were fetched."""

    def __init__(self, value: str) -> None:
        self.value, self.fetched = value, 0
        self.kind: type = object

    def cursor(self, kind: type = object) -> Streaming:
        self.kind = kind
        return self

    def __enter__(self) -> Streaming:
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, *_: object) -> None: ...

    def fetchone(self) -> tuple[str]:
        self.fetched += 1
        return (self.value,)


@pytest.mark.parametrize(
    ("value", "limit", "shown", "fetched", "cut"),
    [("x", 3, 3, 4, False), ("x" * MOST_BYTES, 100, 1, 2, True)],
)
def test_no_more_rows_are_fetched_than_shown(
    value: str, limit: int, shown: int, fetched: int, cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "fetch_columns", lambda *_: COLUMNS)
    server = Streaming(value)
    found = fetch_rows_shown(cast("Connection[Any]", server), ORDERS, RowChoice(limit=limit))
    assert (len(found.rows), server.fetched, found.cut) == (shown, fetched, cut)
    assert found.more
    # Not the driver's usual one, which keeps all rows of an answer.
    assert server.kind is SSCursor


def test_names_of_columns_move_no_cursor() -> None:
    found = TableRows([OpenedColumn("a\x1b[2J", "int")], [["1"]], more=False, cut=False)
    assert [str(column.header) for column in drawn(found).columns] == ["a\\x1b[2J"]
