"""How instances answer to a copy: the shapes of load that the rule is tested with.

Of the shape of the measurements in bench/README.md, made smooth: p99 of writers was 4 to 11 ms
without a copy, 25 ms beside one that was throttled, and 1.3 to 2.3 s beside one at full speed, when
the disk was saturated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from backups.pacing.observation import Baseline, Measure, Observation
from backups.pacing.quantiles import Lengths
from backups.pacing.rule import PaceWanted, RuleState, decide, first_state, wanted_of

MIB = float(1 << 20)
# What the engine reads where nothing holds it back.
FULL_SPEED = 200 * MIB
QUIET_MS = 8.0
BEFORE = Baseline(3.0, p99_ms=QUIET_MS, questions_per_s=1800.0)

# p99 in ms beside a copy that reads at a rate, at a second of the copy; None: no answer.
Curve = Callable[[float, int], float | None]


@dataclass(frozen=True, slots=True)
class Second:
    """A second of a copy, or another interval."""

    state: RuleState
    # Bytes per second.
    read: float
    p99_ms: float | None
    seconds: float = 1.0


def seen(
    p99_ms: float | None, *, lag_s: float | None = None, statements: float = 1800.0
) -> Observation:
    lengths = Lengths({} if p99_ms is None else {p99_ms: statements}, statements)
    return Observation(1.0, statements, 2.0 if statements else 0.0, lengths, lag_s)


def knee(at: float, slope: float = 20.0) -> Curve:
    """A disk that has room for ``at`` bytes per second, and stalls the more is read above."""

    def p99(rate: float, second: int) -> float:
        return QUIET_MS * (1 + max(0.0, rate - at) / at * slope + 0.5 * rate / FULL_SPEED)

    return p99


def burst(curve: Curve, first: int, last: int) -> Curve:
    """The application itself is slow for a while, whatever the copy does."""
    return lambda rate, second: 400.0 if first <= second <= last else curve(rate, second)


def silent(curve: Curve, first: int, last: int) -> Curve:
    """The instance answers no probe for a while."""
    return lambda rate, second: None if first <= second <= last else curve(rate, second)


def wanted(factor: float = 5.0, longest: float = 8.0) -> PaceWanted:
    return wanted_of(factor, 0, BEFORE, Measure.P99, least=MIB, longest=longest)


def copy(
    curve: Curve, total: float, *, state: RuleState | None = None, kept: PaceWanted | None = None
) -> Iterator[Second]:
    """Yield the seconds of a copy of ``total`` bytes."""
    state, kept = state or first_state(idle=False), kept or wanted()
    second = 0
    while total > 0:
        read = min(total, FULL_SPEED if state.rate is None else min(state.rate, FULL_SPEED))
        p99_ms = curve(read, second)
        total -= read
        state = decide(state, kept, None if p99_ms is None else seen(p99_ms), read)
        yield Second(state, read, p99_ms)
        second += 1
