"""Where is each block of a file stored, as what, and which blocks were checked?

Held for the pieces of the table only: a file may be of any size, and pieces anywhere in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from backups.archive.blocks.reading import PieceContent
from backups.archive.blocks.table import PIECE_BLOCKS, ZERO

_CHECKED = _DIFFERING = 1
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
        # Of each block, whether a difference from the full backup's is stored of it.
        self._differing: dict[int, bytearray] = {}

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

    def set_differing(self, number: int, first: int, end: int) -> None:
        """Note that a backup has differences of these blocks, of those that it has at all."""
        for run_first, run_end in self.runs_of(number, first, end):
            for block in range(run_first, run_end):
                piece, place = divmod(block, PIECE_BLOCKS)
                flags = self._differing.setdefault(piece, bytearray(len(self._pieces[piece])))
                flags[place] = _DIFFERING

    @property
    def differs(self) -> bool:
        """Whether a difference is stored of any block."""
        return bool(self._differing)

    def count_differing(self) -> int:
        return sum(flags.count(_DIFFERING) for flags in self._differing.values())

    def has_differing(self, first: int, end: int) -> bool:
        """Whether a difference is stored of one of these blocks."""
        return any(_DIFFERING in flags for _, flags in _slices(self._differing, first, end))

    def runs_differing(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield first and end of the blocks in a row of which differences are stored."""
        return _runs(self._differing, _DIFFERING, first, end)

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
