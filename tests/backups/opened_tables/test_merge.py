"""Two streams of rows in one order, held against each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backups.exceptions import EngineError
from backups.opened_tables.merge import AFTER, BEFORE, CHANGED, EQUAL, KeyedRow, merge_rows


def rows(*pairs: tuple[int, str]) -> list[KeyedRow]:
    return [KeyedRow((key, "x"), (key, "x"), digest) for key, digest in pairs]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [], []),
        ([(1, "a")], [], [(BEFORE, 1)]),
        ([], [(1, "a")], [(AFTER, 1)]),
        ([(1, "a"), (2, "b")], [(1, "a"), (2, "c")], [(EQUAL, 1), (CHANGED, 2)]),
        ([(1, "a"), (3, "a")], [(2, "a")], [(BEFORE, 1), (AFTER, 2), (BEFORE, 3)]),
        ([(9, "a")], [(1, "a"), (9, "a"), (10, "a")], [(AFTER, 1), (EQUAL, 9), (AFTER, 10)]),
    ],
)
def test_each_row_is_named_once(
    before: list[tuple[int, str]], after: list[tuple[int, str]], expected: list[tuple[str, int]]
) -> None:
    found = merge_rows(rows(*before), rows(*after))
    assert [(how, row.key[0]) for how, row in found] == expected


@pytest.mark.parametrize("wrong", [[(2, "a"), (1, "a")], [(1, "a"), (1, "b")]])
def test_what_does_not_ascend_is_an_error(wrong: list[tuple[int, str]]) -> None:
    with pytest.raises(EngineError, match="order"):
        list(merge_rows(rows(*wrong), rows((1, "a"), (2, "a"))))
    with pytest.raises(EngineError, match="order"):
        list(merge_rows(rows((1, "a"), (2, "a")), rows(*wrong)))


def test_no_more_is_read_than_needed() -> None:
    taken = []

    def endless() -> Iterator[KeyedRow]:
        for number in range(1 << 60):
            taken.append(number)
            yield from rows((number, "a"))

    found = merge_rows(endless(), endless())
    assert [next(found)[0] for _ in range(3)] == [EQUAL] * 3
    assert len(taken) <= 8
