"""Which bytes of a file does a later phase override?

Kept as sorted ranges in plain arrays, with adjacent ones joined: 16 bytes for a page that was sent
again, nothing for the others.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator


class LaterBytes:
    """The bytes written by the phases after the first, by file and phase."""

    def __init__(self) -> None:
        self._phases: dict[int, dict[int, _Ranges]] = {}

    def add(self, file: int, phase: int, offset: int, length: int) -> None:
        """Add an extent of a phase after the first."""
        ranges = self._phases.setdefault(file, {}).setdefault(phase, _Ranges())
        ranges.add(offset, offset + length)

    def sort(self) -> None:
        """Sort the ranges for queries, after the last ``add``."""
        for phases in self._phases.values():
            for ranges in phases.values():
                ranges.sort()

    def surviving(self, file: int, phase: int, start: int, end: int) -> list[tuple[int, int]]:
        """Return the parts of a phase's range that no later phase overrides."""
        left = [(start, end)]
        for later, ranges in self._phases.get(file, {}).items():
            if later > phase:
                left = [rest for part in left for rest in ranges.subtract_from(*part)]
        return left


class _Ranges:
    """Ranges that do not overlap."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts, self._ends = array("Q"), array("Q")

    def add(self, start: int, end: int) -> None:
        if self._ends and self._ends[-1] == start:
            self._ends[-1] = end
        else:
            self._starts.append(start)
            self._ends.append(end)

    def sort(self) -> None:
        starts, ends = self._starts, self._ends
        order = sorted(range(len(starts)), key=starts.__getitem__)
        self._starts, self._ends = array("Q"), array("Q")
        for position in order:
            self.add(starts[position], ends[position])

    def subtract_from(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        position = max(0, bisect_right(self._starts, start) - 1)
        while start < end and position < len(self._starts) and self._starts[position] < end:
            if start < self._starts[position]:
                yield start, self._starts[position]
            start = max(start, self._ends[position])
            position += 1
        if start < end:
            yield start, end
