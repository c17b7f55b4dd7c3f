"""What was seen of an instance in an interval of a second or so?"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from backups.pacing.quantiles import NOTHING, Lengths, merged


class Measure(enum.StrEnum):
    """Which time of statements a server lets an account see."""

    P99 = "p99"
    # Without privileges MySQL shows how many statements run and how many were run: their mean.
    MEAN = "mean"


@dataclass(frozen=True, slots=True)
class RedoSeen:
    """Where the instance's redo log is, in bytes since its beginning."""

    written: int
    checkpoint: int | None
    capacity: int
    # When, in seconds of a monotonic clock.
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Observation:
    """An interval. None is unknown."""

    seconds: float
    questions_per_s: float
    # How many statements were in progress, on average.
    running: float
    lengths: Lengths = NOTHING
    # How far the instance is behind its own source; None: unknown, or it has none.
    lag_s: float | None = None
    redo: RedoSeen | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nobody would notice a copy."""
        return self.running < IDLE_RUNNING and self.questions_per_s < IDLE_QUESTIONS_PER_S

    @property
    def p99_ms(self) -> float | None:
        """By the measure: of a mean, all statements are said to take as long. None: none seen."""
        return self.lengths.p99_ms


def both(one: Observation, next_one: Observation) -> Observation:
    """Return two intervals as one."""
    seconds = one.seconds + next_one.seconds
    share = one.seconds / seconds
    return replace(
        next_one,
        seconds=seconds,
        questions_per_s=share * one.questions_per_s + (1 - share) * next_one.questions_per_s,
        running=share * one.running + (1 - share) * next_one.running,
        lengths=merged(one.lengths, next_one.lengths),
    )


@dataclass(frozen=True, slots=True)
class Baseline:
    """The instance before the copy. None is unknown."""

    seconds: float = 0
    p99_ms: float | None = None
    p50_ms: float | None = None
    questions_per_s: float | None = None
    lag_s: float | None = None
    # Whether nobody would notice a copy.
    idle: bool = False


UNKNOWN = Baseline()
# Fewer statements in progress, and fewer per second, are nobody's work.
IDLE_RUNNING = 0.05
IDLE_QUESTIONS_PER_S = 50.0
# Statements that the engine runs for its own login and checks.
ENGINE_QUESTIONS = 60
