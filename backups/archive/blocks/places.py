"""Where is each block of a file stored, and which blocks were checked?

Held for the pieces of the table only: a file may be of any size, and pieces anywhere in it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from itertools import groupby

from backups.archive.blocks.reading import PieceContent
from backups.archive.blocks.table import PIECE_BLOCKS, ZERO

_CHECKED = 1
_CHECKED_IF_ZERO = bytes(_CHECKED if place == ZERO else 0 for place in range(256))


class Places:
    """The places of the blocks of one file. What no piece has is zeros."""

    def __init__(self, pieces: Iterable[PieceContent], blocks: int) -> None:
        """``blocks``: of the whole file; what the pieces have beyond them was cut off."""
        cut = (
            (each.first_block // PIECE_BLOCKS, each.places[: max(blocks - each.first_block, 0)])
            for each in pieces
        )
        self._pieces = {number: places for number, places in cut if places}
        # What nobody wrote reads as zeros: a restored file begins as such.
        self._checked = {
            number: bytearray(places.translate(_CHECKED_IF_ZERO))
            for number, places in self._pieces.items()
        }

    def numbers(self) -> set[int]:
        """Return the numbers of the backups that have blocks of the file."""
        return set().union(*self._pieces.values()) - {ZERO}

    def count(self, numbers: Iterable[int]) -> int:
        """Return how many blocks some backups have."""
        return sum(places.count(each) for places in self._pieces.values() for each in numbers)

    def has(self, numbers: Iterable[int], first: int, end: int) -> bool:
        """Whether one of these blocks is in one of some backups."""
        return any(each in places for _, places in self._slices(first, end) for each in numbers)

    def runs_of(
        self, numbers: Container[int], first: int, end: int
    ) -> Iterator[tuple[int, int, int]]:
        """Yield the number, and first and end of the blocks in a row, that a backup has."""
        for start, places in self._slices(first, end):
            block = start
            for place, run in groupby(places):
                after = block + sum(1 for _ in run)
                if place in numbers:
                    yield place, block, after
                block = after

    def is_checked(self, block: int) -> bool:
        number, place = divmod(block, PIECE_BLOCKS)
        checked = self._checked.get(number, b"")
        return place < len(checked) and checked[place] == _CHECKED

    def set_checked(self, block: int, *, checked: bool = True) -> None:
        number, place = divmod(block, PIECE_BLOCKS)
        found = self._checked.get(number)
        if found is not None and place < len(found):
            found[place] = _CHECKED if checked else 0

    def _slices(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield the places of these blocks, piece by piece, with the first block of each."""
        while first < end:
            number, place = divmod(first, PIECE_BLOCKS)
            after = min(end, (number + 1) * PIECE_BLOCKS)
            yield first, self._pieces.get(number, b"")[place : place + after - first]
            first = after
