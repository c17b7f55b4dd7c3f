"""Do cut pages come together, and pages with holes come out, in bounded memory?"""

from __future__ import annotations

import pytest

from backups.page_check.fragments import Fragments, PageKey

PAGE = 4


class Seen:
    """Calls whole what begins with "w"; keeps what was settled."""

    def __init__(self, pending: int = 1000, suspect: int = 1000) -> None:
        self.settled: list[tuple[int, bytes]] = []
        self.parts = Fragments(
            lambda key, page: page.startswith(b"w"),
            lambda key, page, all_came: self.settled.append((key.position, page)),
            pending_bytes=pending,
            suspect_bytes=suspect,
        )

    def add(self, position: int, at: int, payload: bytes) -> None:
        self.parts.add(PageKey(1, position), at, payload, PAGE)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_parts_in_any_order(order: tuple[int, ...]) -> None:
    seen, parts = Seen(), [(0, b"ab"), (2, b"c"), (3, b"d")]
    for turn in order:
        seen.add(7, *parts[turn])
    assert seen.settled == [(7, b"abcd")]
    seen.parts.finish()
    assert len(seen.settled) == 1


def test_a_hole_is_zeros() -> None:
    seen = Seen()
    seen.add(7, 0, b"wx")
    assert seen.settled == []
    seen.parts.finish()
    assert seen.settled == [(7, b"wx\0\0")]


def test_pages_with_holes_do_not_pile_up() -> None:
    seen = Seen(pending=2 * PAGE)
    for position in range(5):
        seen.add(position, 0, b"w")
    assert [position for position, _ in seen.settled] == [0, 1, 2]


def test_what_looks_damaged_may_get_its_other_half_late() -> None:
    seen = Seen(pending=PAGE)
    seen.add(0, 0, b"ab")
    for position in range(1, 9):
        seen.add(position, 0, b"w")
    seen.add(0, 2, b"cd")
    assert (0, b"abcd") in seen.settled
    assert (0, b"ab\0\0") not in seen.settled


def test_but_not_for_ever() -> None:
    seen = Seen(pending=PAGE, suspect=PAGE)
    for position in range(4):
        seen.add(position, 0, b"x")
    assert seen.settled == [(0, b"x\0\0\0"), (1, b"x\0\0\0")]
