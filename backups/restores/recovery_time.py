"""How long should a recovery take, from the times of earlier ones? Stage by stage. Pure.

What is read and what is replayed takes as long as its bytes; preparing, as long as its redo log
where that is known; everything else, starting a server for example, as long as before, and longer
for a larger backup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from backups.restores.stage_fit import Fitted, Measured, fit

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


@dataclass(frozen=True, slots=True)
class StageTime:
    """One stage of one recovery."""

    stage: str
    seconds: float
    # Moved by the stage itself.
    moved_bytes: int
    # Of the restored backup; 0 is unknown.
    size: int
    # How long its redo log is; None is unknown.
    redo_bytes: int | None = None


Times = Mapping[str, Sequence[StageTime]]


@dataclass(frozen=True, slots=True)
class RecoveryWork:
    """What a restore has to do, in bytes."""

    size: int
    # None: nothing is replayed.
    replayed: int | None = None
    # None: unknown.
    redo: int | None = None
    # Whether a server is started in the end, which some have done to prepare.
    starts: bool = True

    @property
    def replays(self) -> bool:
        return self.replayed is not None


@dataclass(frozen=True, slots=True)
class StagePrediction:
    """How long one stage should take. Without an interval ``low`` and ``high`` are None."""

    stage: str
    low: timedelta | None
    middle: timedelta
    high: timedelta | None
    measured: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """How long it should take: about so long, and nine of ten from ``low`` to ``high``."""

    low: timedelta
    middle: timedelta
    high: timedelta
    # How many measurements the stage with the fewest has.
    measured: int
    # In their order.
    stages: tuple[StagePrediction, ...] = ()

    @property
    def is_interval(self) -> bool:
        """Whether enough was measured to tell how much restores differ, of each stage."""
        return self.high > self.low


def predict(times: Times, work: RecoveryWork, like: Times | None = None) -> Prediction | None:
    """Predict a restore; None where a stage was never measured.

    ``like``: the times of other instances, which tell how much restores differ while there are
    few of its own.
    """
    needed = _needed(replays=work.replays, starts=work.starts)
    if any(not times.get(stage) for stage in needed):
        return None
    short = (*SHORT, FIND) if work.replays else SHORT
    stages = [
        _predict_stage(stage, times[stage], (like or {}).get(stage, ()), work)
        for stage in (*needed, *(each for each in short if times.get(each)))
    ]
    middle = sum((each.middle for each in stages), timedelta(0))
    low = high = middle
    # They are slow together, on a busy host: so the ends are added.
    if all(each.low is not None for each in stages):
        low = sum((each.low for each in stages if each.low is not None), timedelta(0))
        high = sum((each.high for each in stages if each.high is not None), timedelta(0))
    measured = min(len(times[stage]) for stage in needed)
    return Prediction(low, middle, high, measured, tuple(stages))


def missing(times: Times, *, replays: bool, starts: bool = True) -> list[str]:
    """Return the stages without which nothing can be predicted, and that were never measured."""
    return [stage for stage in _needed(replays=replays, starts=starts) if not times.get(stage)]


def _needed(*, replays: bool, starts: bool) -> tuple[str, ...]:
    start = (START,) if starts else ()
    return (*NEEDED, *start, *(NEEDED_TO_REPLAY if replays else ()))


def _predict_stage(
    stage: str, times: Sequence[StageTime], like: Sequence[StageTime], work: RecoveryWork
) -> StagePrediction:
    by_redo = stage == PREPARE and bool(work.redo) and all(each.redo_bytes for each in times)
    todo = work.size
    if stage == APPLY:
        todo = work.replayed or 0
    elif by_redo:
        todo = work.redo or 0
    by_bytes = stage in BY_BYTES
    fitted = fit(
        _measured(times, by_bytes=by_bytes, by_redo=by_redo),
        todo,
        by_bytes=by_bytes,
        like=_measured(like, by_bytes=by_bytes, by_redo=by_redo),
    )
    return _stage(stage, fitted)


def _measured(times: Sequence[StageTime], *, by_bytes: bool, by_redo: bool) -> list[Measured]:
    if by_redo:
        return [Measured(each.redo_bytes, each.seconds) for each in times if each.redo_bytes]
    return [Measured(each.moved_bytes if by_bytes else each.size, each.seconds) for each in times]


def _stage(stage: str, fitted: Fitted) -> StagePrediction:
    low, high = (
        None if end is None else timedelta(seconds=end) for end in (fitted.low, fitted.high)
    )
    return StagePrediction(stage, low, timedelta(seconds=fitted.middle), high, fitted.measured)
