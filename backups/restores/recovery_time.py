"""How long should a recovery take, from the times of earlier ones? An interval. Pure.

What is read and what is replayed takes as long as its bytes; everything else, starting a server
for example, as long as before, and longer for a larger backup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median, quantiles

EXTRACT, PREPARE, START = "extract", "prepare", "start"
# A replay is two: its server's start and end, and while transactions are applied.
REPLAY, REPLAY_SERVER, APPLY = "replay", "replay server", "apply"
# What the others wait for is short, and counts where it was measured.
FIND, CHECK, HAND_OVER = "find transactions", "check target", "hand over"
BY_BYTES = frozenset({EXTRACT, APPLY})
NEEDED = (EXTRACT, PREPARE)
NEEDED_TO_REPLAY = (REPLAY_SERVER, APPLY)
SHORT = (CHECK, HAND_OVER)
# Of a drill: what a recovery to its moment consists of.
RECOVERY_STAGES = (EXTRACT, PREPARE, REPLAY, "start at moment")
# From so many on, the slowest and the fastest tenth are left out.
MANY = 10
# A rate from fewer bytes is that of a start, not of the work.
LEAST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StageTime:
    """One stage of one recovery."""

    stage: str
    seconds: float
    # Moved by the stage itself.
    moved_bytes: int
    # Of the restored backup; 0 is unknown.
    size: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """How long it should take: about so long, and from when to when it did before."""

    low: timedelta
    middle: timedelta
    high: timedelta
    # How many measurements the stage with the fewest has.
    measured: int

    @property
    def is_interval(self) -> bool:
        """Whether there is more than one measurement of anything that takes time."""
        return self.high > self.low


def predict(
    times: Mapping[str, Sequence[StageTime]],
    size: int,
    replayed_bytes: int | None,
    *,
    starts: bool = True,
) -> Prediction | None:
    """Predict a restore of ``size`` bytes with a replay of so many; None is unknown.

    ``replayed_bytes`` None: nothing is replayed. ``starts``: whether a server is started in the
    end, which some have done to prepare.
    """
    needed = _needed(replays=replayed_bytes is not None, starts=starts)
    if any(not times.get(stage) for stage in needed):
        return None
    short = SHORT if replayed_bytes is None else (*SHORT, FIND)
    lows, middles, highs = 0.0, 0.0, 0.0
    for stage in (*needed, *(each for each in short if times.get(each))):
        work = replayed_bytes if stage == APPLY else size
        low, middle, high = _spread([_scaled(each, work or 0) for each in _telling(times[stage])])
        lows, middles, highs = lows + low, middles + middle, highs + high
    return Prediction(
        timedelta(seconds=lows),
        timedelta(seconds=middles),
        timedelta(seconds=highs),
        min(len(times[stage]) for stage in needed),
    )


def missing(
    times: Mapping[str, Sequence[StageTime]], *, replays: bool, starts: bool = True
) -> list[str]:
    """Return the stages without which nothing can be predicted, and that were never measured."""
    return [stage for stage in _needed(replays=replays, starts=starts) if not times.get(stage)]


def _needed(*, replays: bool, starts: bool) -> tuple[str, ...]:
    start = (START,) if starts else ()
    return (*NEEDED, *start, *(NEEDED_TO_REPLAY if replays else ()))


def _telling(times: Sequence[StageTime]) -> Sequence[StageTime]:
    """Leave out rates of hardly any bytes where there are others."""
    large = [
        each for each in times if each.stage not in BY_BYTES or each.moved_bytes >= LEAST_BYTES
    ]
    return large or times


def _scaled(time: StageTime, work: int) -> float:
    """Return how many seconds the stage takes for other bytes."""
    if time.stage in BY_BYTES:
        return time.seconds * work / time.moved_bytes if time.moved_bytes else time.seconds
    # Some of it is the same whatever the size: a smaller one is no faster.
    return time.seconds * max(1.0, work / time.size) if time.size else time.seconds


def _spread(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Return the lowest, the middle and the highest; of many the 10th and 90th percentile."""
    if len(seconds) < MANY:
        return min(seconds), median(seconds), max(seconds)
    tenths = quantiles(seconds, n=10, method="inclusive")
    return tenths[0], median(seconds), tenths[-1]
