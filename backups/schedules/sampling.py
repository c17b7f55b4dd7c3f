"""Which instances does a schedule prove at one due time, so that each has its turn in N days?

Pure: candidates in, names out; nothing here reads the clock, the database or chance. An instance
that would be too late later is taken now; the places that are left go to the heaviest: never
proven, failed last time, changed most, important. Equal weights are drawn by a hash, so that two
ticks draw the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# Of places: what is left for weights once every instance has its turn in time.
SPARE = 1.25
# Of the budget: copies do not fill it exactly.
USABLE_SHARE = 0.75
NEVER_PROVEN, FAILED, IMPORTANT = 3.0, 4.0, 2.0
# By how much an instance weighs more whose data changed entirely since it was proven.
CHANGED = 2.0


@dataclass(frozen=True, slots=True)
class ProofCandidate:
    """An instance with a restorable backup, and what is known of its last proof."""

    key: int
    # When it was last proven, or when it became a candidate.
    since: datetime
    # What proving it reads.
    cost_bytes: int
    never_proven: bool = False
    failed: bool = False
    important: bool = False
    # The share of its data that was written since its last proof, from 0 to 1.
    changed: float = 0.0

    @property
    def weight(self) -> float:
        weight = 1 + CHANGED * min(max(self.changed, 0.0), 1.0)
        for holds, factor in (
            (self.never_proven, NEVER_PROVEN),
            (self.failed, FAILED),
            (self.important, IMPORTANT),
        ):
            weight *= factor if holds else 1
        return weight


@dataclass(frozen=True, slots=True)
class Round:
    """One due time, and the rule of its schedule."""

    at: datetime
    # The longest time to the next due time.
    gap: timedelta
    within: timedelta
    # None: no limit.
    budget_bytes: int | None = None

    def chances_after(self, candidate: ProofCandidate) -> int:
        """Return at how many later due times a candidate could still be taken.

        The last one before its deadline is kept for what does not succeed at once.
        """
        left = candidate.since + self.within - self.at
        return max(0, math.floor(left / self.gap) - 1) if left > timedelta(0) else 0


def choose_sample(candidates: Iterable[ProofCandidate], due: Round) -> list[int]:
    """Return whom to prove now, the most urgent first."""
    by_deadline = sorted(candidates, key=lambda each: (each.since, each.key))
    places = math.ceil(len(by_deadline) * SPARE * (due.gap / due.within))
    urgent = by_deadline[: _must(by_deadline, due, places)]
    others = sorted(by_deadline[len(urgent) :], key=lambda each: _drawn(each, due.at), reverse=True)
    chosen, left = list[int](), due.budget_bytes
    for candidate in (*urgent, *others):
        if len(chosen) >= max(places, len(urgent)):
            break
        if left is not None:
            if candidate.cost_bytes > left:
                continue
            left -= candidate.cost_bytes
        chosen.append(candidate.key)
    return chosen


def too_large(candidates: Iterable[ProofCandidate], due: Round) -> list[int]:
    """Return those that are due, and of which one proof alone reads more than the budget."""
    budget = due.budget_bytes
    if budget is None:
        return []
    return [
        each.key for each in candidates if each.cost_bytes > budget and due.chances_after(each) == 0
    ]


def _must(by_deadline: Sequence[ProofCandidate], due: Round, places: int) -> int:
    """Return how many of the most urgent have to be taken now for the others to be in time."""
    budget = due.budget_bytes and due.budget_bytes * USABLE_SHARE
    needed, read, needed_bytes = 0, 0, 0.0
    for count, candidate in enumerate(by_deadline, start=1):
        later = due.chances_after(candidate)
        fits = budget is None or candidate.cost_bytes <= (due.budget_bytes or 0)
        read += candidate.cost_bytes if fits else 0
        needed = max(needed, count - places * later)
        if budget is not None:
            needed_bytes = max(needed_bytes, read - budget * later)
    return max(needed, _first_with(by_deadline, needed_bytes))


def _first_with(by_deadline: Sequence[ProofCandidate], wanted_bytes: float) -> int:
    """Return how many of the most urgent read so many bytes together."""
    read = 0
    for count, candidate in enumerate(by_deadline):
        if read >= wanted_bytes:
            return count
        read += candidate.cost_bytes
    return len(by_deadline)


def _drawn(candidate: ProofCandidate, at: datetime) -> float:
    """Return a key of which the largest are a sample by weight."""
    digest = hashlib.sha256(f"{candidate.key}:{at.isoformat()}".encode()).digest()
    chance = (int.from_bytes(digest[:7]) + 1) / (256**7 + 1)
    return math.log(chance) / candidate.weight
