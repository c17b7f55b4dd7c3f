"""Which rate does a copy get after an interval? Pure: a state and what was seen give the next.

Additive increase, multiplicative decrease, as in the congestion control of TCP:

- A copy of a busy instance begins at ``START``, or at half of what the fastest of the earlier ones
  read, but at no more than the last one that was watched came to; if none was, at a third.
  Intervals are shorter then. It grows by half while the measure is below half of the target and it
  stays below that last one, and by a fifth otherwise.
- Above the target it falls to the share of what it read that the target is of the measure: to 0.85
  at most, and to half at least. Then one interval passes before it falls again, because that one
  still shows the effect of the old rate.
- Between 0.85 of the target and the target it stays.
- Below, it comes nearer to the rate that was too much by a quarter of what is between, and tries
  a little more when it is there. After ten calm intervals that rate is forgotten, for whatever was
  the matter may be over, and it grows by a fifth.
- Where no statements run any longer, that rate is forgotten after two intervals, and it grows by
  half.
- A copy that reads next to nothing shows nothing of its effect, and stays at its rate.
- It never falls below ``longest`` times less than the fastest it has read for five seconds, so that
  its time is bounded, nor below what its engine needs.
- While nothing is known of the instance it reads at most a quarter of the fastest it has read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import mean

from backups.pacing.observation import Baseline, Measure, Observation
from backups.pacing.reasons import PaceReason
from backups.units import format_bytes

START_BYTES_PER_S = float(16 << 20)
# Of the rate of the fastest earlier copy, where one was watched and where none was.
START_SHARE, FIRST_SHARE = 1 / 2, 1 / 3
# Of the rate of the last copy that was watched.
BORNE_SHARE = 0.8
# Below it nobody calls a statement slow, whatever it was before.
LEAST_TARGET_MS = {Measure.P99: 10.0, Measure.MEAN: 2.0}
# Assumed of an instance that was idle before the copy.
USUAL_MS = {Measure.P99: 10.0, Measure.MEAN: 2.0}
# Between this share of the target and the target the rate stays.
CALM = 0.85
# Below this share it grows faster at first.
EASY = 0.5
MILD, HARD = 0.85, 0.5
START_GROWTH, GROWTH, LEAST_GROWTH = 1.5, 1.2, 1.03
# The share of what is between the rate and the one that was too much.
NEARER = 0.25
# So many calm intervals, and it grows.
GROWS_AFTER = 2
# So many calm intervals, and the rate that was too much is forgotten.
FORGET_AFTER = 10
# The fastest is the mean of so many intervals: a single one may be a cache, or made up for a stall.
BEST_OVER = 5
# So many intervals without an observation, and its effect is unknown.
BLIND_AFTER = 3
BLIND_SHARE = 0.25
# A copy that reads less than this share of its limit is not held back by it.
USED = 0.7
FREE_AFTER = 5
# One that reads less has not begun, or has nothing to read.
NOTHING_BYTES_PER_S = 64 << 10


@dataclass(frozen=True, slots=True)
class PaceWanted:
    """What the rule keeps to. None: not watched."""

    target_ms: float | None
    target_lag_s: float | None
    measure: Measure = Measure.P99
    least_bytes_per_s: float = 0.0
    longest: float = 8.0


@dataclass(frozen=True, slots=True)
class RuleState:
    """What the rule remembers. A rate of None is full speed."""

    rate: float | None
    # The fastest that the copy has read for some seconds, or is known to read.
    best: float = START_BYTES_PER_S
    # That of the last copy that was watched; None: none was.
    borne: float | None = None
    # What it has read lately.
    recent: tuple[float, ...] = ()
    # The rate that was too much.
    too_much: float | None = None
    calm: int = 0
    settling: int = 0
    blind: int = 0
    reason: PaceReason = PaceReason.FULL
    detail: str = ""


def wanted_of(
    factor: float,
    lag_seconds: int,
    before: Baseline,
    measure: Measure,
    *,
    least: float,
    longest: float,
) -> PaceWanted:
    """Return what to keep to after an instance was seen before the copy."""
    target = None
    if factor:
        usual = USUAL_MS[measure] if before.p99_ms is None else before.p99_ms
        target = max(factor * usual, LEAST_TARGET_MS[measure])
    lag = (before.lag_s or 0) + lag_seconds if lag_seconds else None
    return PaceWanted(target, lag, measure, least, longest)


def first_state(
    *, idle: bool, known_rate: float = 0.0, borne_rate: float | None = None
) -> RuleState:
    """Return the state in which a copy begins.

    ``known_rate`` is that of the fastest earlier copy, ``borne_rate`` that of the last one that was
    watched; None: none was.
    """
    best = max(START_BYTES_PER_S, known_rate)
    if idle:
        return RuleState(None, best, borne=borne_rate)
    most = FIRST_SHARE * known_rate
    if borne_rate is not None:
        most = min(START_SHARE * known_rate, BORNE_SHARE * borne_rate)
    start = max(START_BYTES_PER_S, most)
    detail = _until_known(start)
    return RuleState(start, best, borne=borne_rate, reason=PaceReason.STARTING, detail=detail)


def decide(
    state: RuleState, wanted: PaceWanted, seen: Observation | None, read_bytes_per_s: float
) -> RuleState:
    """Return the next state; ``seen`` is None where an interval brought no observation."""
    state = _with_read(state, read_bytes_per_s)
    if seen is None:
        return _blind(state, wanted)
    state = _answered(state)
    over, reason, detail = _judge(wanted, seen)
    if over > 1:
        return _slower(state, wanted, over, reason, detail, read_bytes_per_s)
    if over > CALM:
        return replace(state, calm=0, settling=0, detail=_shown(state, detail))
    if read_bytes_per_s < NOTHING_BYTES_PER_S:
        return replace(state, settling=0, detail=_shown(state, detail))
    state = replace(state, calm=state.calm + 1, settling=0)
    if seen.is_idle and state.calm >= GROWS_AFTER:
        # Nobody is there who would notice.
        state = replace(state, too_much=None, borne=None)
        return _faster(state, over, detail, read_bytes_per_s, START_GROWTH)
    return _faster(state, over, detail, read_bytes_per_s)


def floor_of(state: RuleState, wanted: PaceWanted) -> float:
    """Return the rate below which the copy is never slowed."""
    return max(wanted.least_bytes_per_s, state.best / wanted.longest)


def _with_read(state: RuleState, read_bytes_per_s: float) -> RuleState:
    recent = (*state.recent, read_bytes_per_s)[-BEST_OVER:]
    if len(recent) < BEST_OVER:
        return replace(state, recent=recent)
    return replace(state, recent=recent, best=max(state.best, mean(recent)))


def _judge(wanted: PaceWanted, seen: Observation) -> tuple[float, PaceReason, str]:
    """Return by how much the worst of what is watched exceeds its target, and its words."""
    found = [(0.0, PaceReason.LATENCY, "")]
    if wanted.target_ms is not None and seen.p99_ms is not None:
        words = f"{wanted.measure} {_ms(seen.p99_ms)}, target {_ms(wanted.target_ms)}"
        found.append((seen.p99_ms / wanted.target_ms, PaceReason.LATENCY, words))
    if wanted.target_lag_s is not None and seen.lag_s is not None:
        words = f"replication is {seen.lag_s:.0f} s behind, target {wanted.target_lag_s:.0f} s"
        found.append((seen.lag_s / wanted.target_lag_s, PaceReason.LAG, words))
    return max(found, key=lambda each: each[0])


def _slower(
    state: RuleState, wanted: PaceWanted, over: float, reason: PaceReason, detail: str, read: float
) -> RuleState:
    if state.settling:
        return replace(state, settling=state.settling - 1, calm=0, detail=detail)
    floor = floor_of(state, wanted)
    present = max(floor, read if state.rate is None else min(state.rate, max(read, state.rate / 2)))
    rate = max(floor, present * min(MILD, max(HARD, 1 / over)))
    if rate == floor and state.rate is not None and state.rate <= floor:
        reason = PaceReason.LONGEST
    return replace(
        state, rate=rate, too_much=present, calm=0, settling=1, reason=reason, detail=detail
    )


def _faster(
    state: RuleState, over: float, detail: str, read: float, growth: float = GROWTH
) -> RuleState:
    if state.rate is None:
        return replace(state, reason=PaceReason.FULL, detail=detail)
    if state.calm >= FREE_AFTER and read < USED * state.rate:
        # Something else holds it back: its repository, or the instance itself.
        return replace(state, rate=None, too_much=None, reason=PaceReason.FULL, detail=detail)
    too_much = None if state.calm >= FORGET_AFTER else state.too_much
    if state.reason is PaceReason.STARTING and too_much is None:
        fast = state.rate * START_GROWTH
        known = state.borne is None or fast <= state.borne
        rate = fast if known and over < EASY else state.rate * GROWTH
    elif state.calm < GROWS_AFTER:
        rate = state.rate
    elif too_much is None:
        rate = state.rate * growth
    else:
        rate = max(state.rate * LEAST_GROWTH, state.rate + NEARER * (too_much - state.rate))
    reason = PaceReason.LATENCY if state.reason is PaceReason.LONGEST else state.reason
    shown = _shown(state, detail)
    return replace(state, rate=rate, too_much=too_much, reason=reason, detail=shown)


def _answered(state: RuleState) -> RuleState:
    """The instance is seen: after a time without answers the effect of the rate is to be found."""
    if state.reason is not PaceReason.UNKNOWN or state.rate is None:
        return replace(state, blind=0)
    detail = _until_known(state.rate)
    return replace(state, blind=0, reason=PaceReason.STARTING, detail=detail)


def _blind(state: RuleState, wanted: PaceWanted) -> RuleState:
    state = replace(state, blind=state.blind + 1, calm=0)
    if state.blind < BLIND_AFTER:
        return state
    most = max(floor_of(state, wanted), state.best * BLIND_SHARE)
    rate = most if state.rate is None else min(state.rate, most)
    detail = f"the instance has not answered the probe for {state.blind} intervals"
    return replace(state, rate=rate, reason=PaceReason.UNKNOWN, detail=detail)


def _until_known(rate: float) -> str:
    return f"{format_bytes(int(rate))}/s until its effect is known"


def _shown(state: RuleState, detail: str) -> str:
    return detail or state.detail


def _ms(length_ms: float) -> str:
    return f"{length_ms:.0f} ms" if length_ms >= 10 else f"{length_ms:.1f} ms"
