"""How long did the statements of an interval take? Estimated from what servers show; pure.

A histogram counts finished statements exactly. Where there is none, the list of running statements
is looked at every 100 ms or so: every statement that takes longer is seen, and its age then; a
shorter one is seen with a probability that its length gives, so it counts for as many as were not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# A statement that runs for longer is a report or a job by itself, and no writer that waits.
LONGEST_AGE_MS = 60_000.0
# Lengths that differ by less are counted together.
STEP = 1.05


@dataclass(frozen=True, slots=True)
class Lengths:
    """Counts of statements by their length in ms; of ``total``, the rest was too short to see."""

    counts: Mapping[float, float]
    total: float

    def exceeded_by(self, share: float) -> float | None:
        """Return the length that this share of all statements reaches; None: too short to see."""
        wanted, counted = share * self.total, 0.0
        for length in sorted(self.counts, reverse=True):
            counted += self.counts[length]
            if counted and counted >= wanted:
                return length
        return None

    @property
    def p50_ms(self) -> float | None:
        return self.exceeded_by(0.5)

    @property
    def p99_ms(self) -> float | None:
        return self.exceeded_by(0.01)

    @property
    def mean_ms(self) -> float | None:
        if not self.total:
            return None
        return sum(length * count for length, count in self.counts.items()) / self.total


NOTHING = Lengths({}, 0.0)


def merged(one: Lengths, other: Lengths) -> Lengths:
    """Return both, as of one interval."""
    counts = dict(one.counts)
    for length, count in other.counts.items():
        counts[length] = counts.get(length, 0.0) + count
    return Lengths(counts, one.total + other.total)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement in progress: its session and number, and how long it has run."""

    key: tuple[int, int]
    age_ms: float


@dataclass(slots=True)
class SeenStatements:
    """The statements seen in an interval by looking again and again."""

    # Those that are not counted: they ran all the time before the copy.
    ignored: set[tuple[int, int]] = field(default_factory=set)
    _ages: dict[tuple[int, int], float] = field(default_factory=dict)

    def look(self, statements: Sequence[Statement]) -> int:
        """Take one look; return how many statements count."""
        counted = 0
        for statement in statements:
            if statement.age_ms <= LONGEST_AGE_MS and statement.key not in self.ignored:
                counted += 1
                known = self._ages.get(statement.key, 0.0)
                self._ages[statement.key] = max(known, statement.age_ms)
        return counted

    def older(self, than_ms: float) -> set[tuple[int, int]]:
        """Return which have run for longer."""
        return {key for key, age in self._ages.items() if age > than_ms}

    def lengths(self, total: float, gap_ms: float) -> Lengths:
        """Return the lengths of ``total`` statements; ``gap_ms`` is the time between two looks."""
        counts: dict[float, float] = {}
        for age in self._ages.values():
            length = bucket(age + min(age, gap_ms / 2))
            counts[length] = counts.get(length, 0.0) + max(1.0, gap_ms / length)
        return Lengths(counts, max(total, float(len(self._ages))))


def bucket(length_ms: float) -> float:
    """Return the upper end of the bucket of a length."""
    return float(STEP ** math.ceil(math.log(max(length_ms, 0.001), STEP)))


def histogram_between(before: Mapping[float, int], after: Mapping[float, int]) -> Lengths:
    """Return what a histogram counted between two looks at it."""
    counts = {end: float(count - before.get(end, 0)) for end, count in after.items()}
    if any(count < 0 for count in counts.values()):
        # Somebody emptied the table meanwhile.
        counts = {end: float(count) for end, count in after.items()}
    counts = {end: count for end, count in counts.items() if count}
    return Lengths(counts, sum(counts.values()))
