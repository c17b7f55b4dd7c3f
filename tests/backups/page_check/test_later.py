"""Is what later phases override left out, to the byte?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backups.page_check.later import LaterBytes


def test_nothing_later_leaves_everything() -> None:
    later = LaterBytes()
    later.sort()
    assert later.surviving(1, 0, 10, 20) == [(10, 20)]


def test_edges() -> None:
    later = LaterBytes()
    for offset in (40, 20, 30):
        later.add(1, 1, offset, 10)
    later.add(1, 2, 25, 1)
    later.sort()
    assert later.surviving(1, 0, 10, 20) == [(10, 20)]
    assert later.surviving(1, 0, 10, 21) == [(10, 20)]
    assert later.surviving(1, 0, 20, 50) == []
    assert later.surviving(1, 0, 19, 51) == [(19, 20), (50, 51)]
    assert later.surviving(1, 1, 20, 30) == [(20, 25), (26, 30)]
    assert later.surviving(1, 2, 20, 30) == [(20, 30)]
    assert later.surviving(2, 0, 20, 30) == [(20, 30)]


extents = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 60), st.integers(1, 9)), max_size=20)


@given(extents, st.integers(0, 3), st.integers(0, 60), st.integers(1, 40))
def test_as_a_restore_would_write_it(
    written: list[tuple[int, int, int]], phase: int, start: int, length: int
) -> None:
    later, owner = LaterBytes(), {at: phase for at in range(start, start + length)}
    taken: set[tuple[int, int]] = set()
    for number, offset, size in written:
        # Extents of one phase do not overlap.
        places = {(number, at) for at in range(offset, offset + size)}
        if not places & taken:
            taken |= places
            later.add(1, number, offset, size)
    for number, at in taken:
        if at in owner:
            owner[at] = max(owner[at], number)
    later.sort()
    survived = {
        at for a, b in later.surviving(1, phase, start, start + length) for at in range(a, b)
    }
    assert survived == {at for at, number in owner.items() if number == phase}
