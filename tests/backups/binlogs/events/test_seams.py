"""Does one server's binlog go on exactly where another's ends?"""

from __future__ import annotations

import pytest

from backups.binlogs.events.gtids import parse_gtids
from backups.binlogs.events.seams import find_seam, is_seam, is_within, lacking

A, B = "ef532ada-ec76-11f1-a223-02fc00000001", "ef532ada-ec76-11f1-a223-02fc00000002"


@pytest.mark.parametrize(
    ("end", "first", "here", "seam"),
    [
        (f"{A}:1-9", "", f"{A}:1-9", True),
        (f"{A}:1-9", "", f"{A}:1-8", False),
        (f"{A}:1-9", "", f"{A}:1-10", False),
        # A transaction of its own from before it had all.
        (f"{A}:1-9", "", f"{A}:1-9,{B}:1", False),
        (f"{A}:1-9:tag:1-3", "", f"{A}:1-9:tag:1-3", True),
        (f"{A}:1-9:tag:1-3", "", f"{A}:1-9:tag:1-2", False),
        ("", "", "", False),
        ("0-1-9", "0-1-4", "0-1-9", True),
        ("0-1-9", "0-1-4", "0-1-8", False),
        # It has never logged a domain that nobody writes to today.
        ("5-1-3,0-1-9", "0-1-4", "0-1-9", True),
        ("5-1-3,0-1-9", "5-1-2,0-1-4", "5-1-2,0-1-9", False),
        # What another server committed in between is hidden by the last number.
        ("0-1-9", "0-1-4", "0-2-7,0-1-9", False),
        # A server that was the source once, of which the old one's binlogs know nothing.
        ("0-1-9", "0-2-3,0-1-4", "0-2-3,0-1-9", True),
        ("0-1-9", "0-1-4", f"{A}:1-9", False),
        ("not", "a", "gtid", False),
    ],
)
def test_a_seam_is_where_nothing_is_missing_and_nothing_was_added(
    end: str, first: str, here: str, seam: bool
) -> None:
    assert is_seam(end, first, here) is seam


@pytest.mark.parametrize(
    ("end", "before", "gtids", "count"),
    [
        (f"{A}:1-5", f"{A}:1-2", [f"{A}:3", f"{A}:4", f"{A}:5", f"{B}:1"], 3),
        (f"{A}:1-5", f"{A}:1-5", [f"{B}:1"], 0),
        (f"{A}:1-2", "", [f"{A}:2", f"{A}:1", f"{B}:1"], 2),
        (f"{A}:1-5", f"{A}:1-2", [f"{A}:3", f"{B}:1", f"{A}:4", f"{A}:5"], None),
        (f"{A}:1-5", f"{A}:1-2", [f"{A}:3"], None),
        ("0-1-5,1-1-2", "0-1-3,1-1-1", ["0-1-4", "1-1-2", "0-1-5", "0-2-6"], 3),
        ("0-1-5", "0-1-3", ["0-1-4", "0-2-5", "0-1-5"], None),
        ("0-1-5", "", ["", "0-1-5"], None),
        # A domain that it logs later: from before the old server's end, or new.
        ("0-1-5,1-2-9", "0-1-3", ["0-1-4", "0-1-5", "1-2-8", "1-2-9", "0-2-6"], 4),
        ("0-1-5,1-2-9", "0-1-5", ["1-2-8", "1-2-9"], 2),
        ("0-1-5,1-2-9", "0-1-3", ["0-1-4", "0-1-5", "0-2-6", "1-2-9"], None),
        ("0-1-5,1-2-9", "0-1-3", ["0-1-4", "0-1-5", "0-2-6", "1-2-10", "1-2-9"], 2),
    ],
)
def test_it_is_found_among_transactions(
    end: str, before: str, gtids: list[str], count: int | None
) -> None:
    assert find_seam(end, before, before, gtids) == count


@pytest.mark.parametrize(("later", "count"), [("1-2-9", None), ("1-2-10", 1), ("2-2-1", 1)])
def test_what_follows_in_later_pieces_may_show_that_it_is_none(
    later: str, count: int | None
) -> None:
    assert find_seam("0-1-5,1-2-9", "0-1-4", "0-1-4", ["0-1-5"], ["0-2-7", later]) == count


def test_what_a_server_lacks_is_named() -> None:
    for held, executed, missing in [
        (f"{A}:1-9", f"{A}:1-7,{B}:1-3", f"{A}:8-9"),
        (f"{A}:1-9", f"{A}:1-9,{B}:1", ""),
        ("0-1-9,1-1-4", "0-2-12,1-1-3", "1-1-4"),
        ("0-1-9", "0-1-9", ""),
        ("0-1-9", "", "0-1-9"),
    ]:
        assert lacking(parse_gtids(held), parse_gtids(executed)) == missing


def test_what_is_within() -> None:
    assert is_within(f"{A}:1-9", f"{A}:3-4")
    assert is_within("0-1-9", "0-1-4")
    assert is_within("0-1-9", "")
    assert not is_within(f"{A}:1-9", f"{A}:1-4,{B}:1")
    assert not is_within("0-1-9", "1-1-1")
