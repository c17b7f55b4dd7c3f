"""What is counted and shown of compared rows, and when a comparison ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pymysql
import pytest

from backups.exceptions import BadInput
from backups.opened_tables import compared_rows
from backups.opened_tables.columns import OpenedColumn
from backups.opened_tables.compared_rows import (
    MOST_DIFFERENT,
    RowDifferences,
    _ReadSide,
    compare_rows,
    digest_of,
)
from backups.opened_tables.keys import KeyColumn, RowKey
from backups.opened_tables.merge import BEFORE, CHANGED, EQUAL, KeyedRow
from backups.table_names.names import TableName

ORDERS = TableName("shop", "orders")


def keyed(number: int, digest: str) -> KeyedRow:
    return KeyedRow((number,), (number,), digest)


def compared(
    monkeypatch: pytest.MonkeyPatch, ends_at: float, column: str = "id"
) -> tuple[RowDifferences, list[tuple[str, int]]]:
    """Compare rows 0 to 8 with those of which 4 to 8 are changed and 2 and 3 are not there."""
    streams = iter(
        (
            [keyed(number, "a") for number in range(9)],
            [keyed(number, "b" if number > 3 else "a") for number in (0, 1, *range(4, 9))],
        )
    )

    @contextmanager
    def reading(*_: object) -> Iterator[Iterator[KeyedRow]]:
        yield iter(next(streams))

    monkeypatch.setattr(compared_rows, "_reading", reading)
    monkeypatch.setattr(time, "monotonic", count().__next__)
    key = RowKey("PRIMARY", (KeyColumn(column, "int"),))
    found = RowDifferences(key, [column], [], [])
    side = _ReadSide(pymysql.connect, [OpenedColumn(column, "int")])
    shown = compared_rows._compare(found, [side, side], ORDERS, 2, ends_at)
    return found, [(how, int(row.key[0])) for how, row in shown]


def test_all_are_counted_and_the_first_of_each_kind_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, shown = compared(monkeypatch, ends_at=1000)
    assert shown == [(BEFORE, 2), (BEFORE, 3), (CHANGED, 4), (CHANGED, 5)]
    assert (found.counts[EQUAL], found.counts[CHANGED], found.different) == (2, 5, 7)
    assert found.ended_at_key is None


def test_after_its_time_it_says_at_which_key_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    found, shown = compared(monkeypatch, ends_at=4)
    assert found.ended_at_key == "5"
    assert (found.compared, shown[-1]) == (5, (CHANGED, 4))


def test_a_key_that_is_named_like_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = compared(monkeypatch, ends_at=4, column="api_token")
    assert found.ended_at_key == "***"


@pytest.mark.parametrize("limit", [0, MOST_DIFFERENT + 1])
def test_no_more_rows_are_shown_than_may_be(limit: int) -> None:
    with pytest.raises(BadInput, match="cannot be shown"):
        compare_rows(pytest.fail, pytest.fail, ORDERS, limit=limit, seconds=1)


def test_a_digest_has_every_value_and_is_never_null() -> None:
    names = {"n": "int", "f": "float", "t": "text", "b": "blob", "e": "enum", "p": "point"}
    columns = [OpenedColumn(name, kind) for name, kind in names.items()]
    for column in columns:
        assert column.digest.startswith("IFNULL(")
        assert column.digest in digest_of(columns)
    assert "(`f` + 0e0)" in columns[1].digest
