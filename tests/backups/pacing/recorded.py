"""Load curves of real servers, recorded by ``bench.curves``, and a copy beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backups.pacing.probe import INTERVAL_SECONDS, STARTING_SECONDS
from backups.pacing.reasons import PaceReason
from backups.pacing.rule import PaceWanted, RuleState, decide, first_state
from tests.backups.pacing.curves import MIB, Second, seen

FOLDER = Path(__file__).parents[2] / "data" / "pace"
# Of the recorded seconds, so many were the most like a second of the copy.
ALIKE = 5


@dataclass(frozen=True, slots=True)
class Recorded:
    """A second: what was read in bytes, and p99 in ms; None: too short to see."""

    read: float
    p99_ms: float | None
    statements: float


@dataclass(frozen=True, slots=True)
class LoadCurve:
    """One recorded copy."""

    name: str
    target_ms: float
    seconds: tuple[Recorded, ...]

    @property
    def fastest(self) -> float:
        """What the engine read in its fastest seconds."""
        return sorted(second.read for second in self.seconds)[-ALIKE]

    def alike(self, read: float, number: int) -> Recorded:
        """Return a second in which about as much was read: one of several, in turn."""

        def distance(second: Recorded) -> float:
            return abs(math.log((second.read + MIB) / (read + MIB)))

        return sorted(self.seconds, key=distance)[:ALIKE][number % ALIKE]


def load(name: str, *, writers: bool = False) -> LoadCurve:
    """Return a curve as the probe saw it, or as the writers themselves did."""
    recorded = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    seconds = tuple(
        Recorded(read * MIB, noticed if writers else p99_ms, statements)
        for _, read, p99_ms, statements, noticed in recorded["seconds"]
    )
    return LoadCurve(name, recorded["target_ms"], seconds)


def replay(curve: LoadCurve, kept: PaceWanted, state: RuleState) -> Iterator[Second]:
    """Have the rule decide on the recorded seconds as they are."""
    for second in curve.seconds:
        observed = seen(second.p99_ms, statements=second.statements)
        state = decide(state, kept, observed, second.read)
        yield Second(state, second.read, second.p99_ms)


def copy_beside(
    curve: LoadCurve, kept: PaceWanted, intervals: int, *, load_ends: int | None = None
) -> Iterator[Second]:
    """Copy an instance that answers to a rate as it did when it was recorded."""
    state = first_state(idle=False, known_rate=curve.fastest)
    for number in range(intervals):
        read = curve.fastest if state.rate is None else min(state.rate, curve.fastest)
        over = load_ends is not None and number >= load_ends
        second = Recorded(read, None, 0.0) if over else curve.alike(read, number)
        observed = seen(second.p99_ms, statements=second.statements)
        starting = state.reason is PaceReason.STARTING
        state = decide(state, kept, observed, read)
        yield Second(state, read, second.p99_ms, STARTING_SECONDS if starting else INTERVAL_SECONDS)
