"""Where is each block of a file stored, and which blocks were taken or checked?

Held for the pieces of the table only: a file may be of any size, and pieces anywhere in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from backups.archive.blocks.reading import PieceContent
from backups.archive.blocks.table import PIECE_BLOCKS, ZERO

# The place of a block whose difference was applied. No backup has this number in its chain.
TAKEN = 254
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
        self._pieces = {number: bytearray(places) for number, places in cut if places}
        # What nobody wrote reads as zeros: a restored file begins as such.
        self._checked = {
            number: bytearray(places.translate(_CHECKED_IF_ZERO))
            for number, places in self._pieces.items()
        }

    def numbers(self) -> set[int]:
        """Return the numbers of the backups that have blocks of the file."""
        return set().union(*self._pieces.values()) - {ZERO}

    def count(self, number: int) -> int:
        """Return how many blocks a backup has."""
        return sum(places.count(number) for places in self._pieces.values())

    def has(self, number: int, first: int, end: int) -> bool:
        """Whether one of these blocks is in a backup."""
        return any(number in places for _, places in _slices(self._pieces, first, end))

    def runs_of(self, number: int, first: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield first and end of the blocks in a row that are in a backup."""
        return _runs(self._pieces, number, first, end)

    def between(self, first: int, end: int) -> bytes:
        """Return the places of blocks in a row; ``TAKEN`` of those that are in the file by now."""
        found = bytearray()
        for start, values in _slices(self._pieces, first, end):
            found += bytes((ZERO,)) * (start - first - len(found)) + values
        return bytes(found) + bytes((ZERO,)) * (end - first - len(found))

    def take(self, first: int, end: int) -> None:
        """Note that blocks are in the file: no frame of their own backup is read for them."""
        for block, values in _slices(self._pieces, first, end):
            number, place = divmod(block, PIECE_BLOCKS)
            self._pieces[number][place : place + len(values)] = bytes((TAKEN,)) * len(values)

    def is_checked(self, block: int) -> bool:
        number, place = divmod(block, PIECE_BLOCKS)
        checked = self._checked.get(number, b"")
        return place < len(checked) and checked[place] == _CHECKED

    def unchecked(self) -> Iterator[int]:
        """Yield the blocks that were not checked, of those that a piece has."""
        for number, checked in self._checked.items():
            place = checked.find(0)
            while place >= 0:
                yield number * PIECE_BLOCKS + place
                place = checked.find(0, place + 1)

    def set_all_checked(self, first: int, end: int) -> None:
        """Note it of blocks in a row."""
        while first < end:
            number, place = divmod(first, PIECE_BLOCKS)
            stop = min(PIECE_BLOCKS, place + end - first)
            if (found := self._checked.get(number)) is not None:
                there = max(min(stop, len(found)) - place, 0)
                found[place : place + there] = bytes((_CHECKED,)) * there
            first += stop - place

    def claim(self, first: int, end: int) -> bool:
        """Note of blocks in a row that they were checked; False if one of them was before."""
        if any(_CHECKED in checked for _, checked in _slices(self._checked, first, end)):
            return False
        self.set_all_checked(first, end)
        return True

    def set_checked(self, block: int, *, checked: bool = True) -> None:
        number, place = divmod(block, PIECE_BLOCKS)
        found = self._checked.get(number)
        if found is not None and place < len(found):
            found[place] = _CHECKED if checked else 0


def _runs(
    pieces: Mapping[int, bytes | bytearray], wanted: int, first: int, end: int
) -> Iterator[tuple[int, int]]:
    """Yield first and end of the blocks in a row, of these, that have a value."""
    for start, values in _slices(pieces, first, end):
        for run_first, run_end in runs_with(values, wanted):
            yield start + run_first, start + run_end


def runs_with(values: bytes | bytearray, wanted: int) -> Iterator[tuple[int, int]]:
    """Yield first and end of each stretch of a value."""
    end = 0
    while (first := values.find(wanted, end)) >= 0:
        end = first + 1
        while end < len(values) and values[end] == wanted:
            end += 1
        yield first, end


def _slices(
    pieces: Mapping[int, bytes | bytearray], first: int, end: int
) -> Iterator[tuple[int, bytes | bytearray]]:
    """Yield the values of these blocks, piece by piece, with the first block of each."""
    while first < end:
        number, place = divmod(first, PIECE_BLOCKS)
        after = min(end, (number + 1) * PIECE_BLOCKS)
        yield first, pieces.get(number, b"")[place : place + after - first]
        first = after
