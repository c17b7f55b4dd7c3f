"""The rule beside load curves that were recorded on real servers (tests/data/pace)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from backups.pacing.observation import Baseline, Measure
from backups.pacing.rule import PaceWanted, first_state, floor_of, wanted_of
from tests.backups.pacing.curves import MIB, Second
from tests.backups.pacing.recorded import FOLDER, LoadCurve, copy_beside, load, replay

FILES = sorted(path.stem for path in FOLDER.glob("*.json"))
# With the p99 that the probe saw, or that of the writers. MySQL's statements themselves were hardly
# slower: what its writers waited for was a processor.
STEPS = [("mariadb-steps", False), ("mariadb-steps", True), ("mysql-steps", True)]
SECONDS = 60
GIB = 1024 * MIB
# The copy has found its rate.
SETTLED = 15


def kept(curve: LoadCurve, target_ms: float | None = None) -> PaceWanted:
    wanted = wanted_of(5, 0, Baseline(1.0), Measure.P99, least=MIB, longest=8)
    return replace(wanted, target_ms=target_ms or curve.target_ms)


def between(curve: LoadCurve) -> float:
    """A target that the instance keeps beside a slow copy, and misses at full speed."""

    def median(slow: bool) -> float:
        ordered = sorted(curve.seconds, key=lambda second: second.read, reverse=not slow)
        third = ordered[: len(ordered) // 3]
        return statistics.median(second.p99_ms or 0.0 for second in third)

    slow, fast = median(slow=True), median(slow=False)
    assert fast > slow, "the copy cost nothing when this was recorded"
    return (slow + fast) / 2


def share_over(target_ms: float, second: Second) -> float:
    """Return the share of statements that took longer, if longer ones are ever rarer."""
    return 0.01 ** (target_ms / second.p99_ms) if second.p99_ms else 0.0


def turns(seconds: Sequence[Second]) -> int:
    """How often the rate begins to fall after it has risen, or stayed."""
    rates = [second.read for second in seconds]
    falls = [later < earlier for earlier, later in pairwise(rates)]
    return sum(not before and now for before, now in pairwise(falls))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("target_ms", [1.0, 5.0])
def test_no_recorded_second_takes_it_below_its_floor(name: str, target_ms: float) -> None:
    curve = load(name)
    wanted = kept(curve, target_ms)
    state = first_state(idle=False, known_rate=curve.fastest)
    assert state.rate is not None
    before = state.rate
    for second in replay(curve, wanted, state):
        rate = second.state.rate or curve.fastest
        assert rate >= before or rate >= floor_of(second.state, wanted)
        before = rate


@pytest.mark.parametrize(("name", "writers"), STEPS)
class TestBesideAServer:
    """It answers to a rate as it did when the limit rose in steps."""

    def test_it_comes_to_a_rate_that_keeps_the_target(self, name: str, writers: bool) -> None:
        curve = load(name, writers=writers)
        target_ms = between(curve)
        seconds = list(copy_beside(curve, kept(curve, target_ms), SECONDS))[SETTLED:]
        times = [second.p99_ms or 0.0 for second in seconds]
        assert statistics.median(times) <= target_ms
        assert statistics.mean(second.read for second in seconds) > curve.fastest / 8

    def test_a_whole_copy_keeps_five_times_and_loses_little_time(
        self, name: str, writers: bool
    ) -> None:
        curve = load(name, writers=writers)
        quiet = sorted(curve.seconds, key=lambda second: second.read)[: len(curve.seconds) // 3]
        before = statistics.median(second.p99_ms or 0.0 for second in quiet)
        target_ms = max(5 * before, 10.0)
        left, took, over = GIB, 0.0, 0.0
        for each in copy_beside(curve, kept(curve, target_ms), SECONDS):
            seconds = min(each.seconds, left / each.read)
            left, took = left - each.read * seconds, took + seconds
            over += seconds * share_over(target_ms, each)
        assert took <= 1.5 * GIB / curve.fastest
        assert over / took <= 0.01

    def test_it_does_not_swing(self, name: str, writers: bool) -> None:
        curve = load(name, writers=writers)
        seconds = list(copy_beside(curve, kept(curve, between(curve)), SECONDS))[SETTLED:]
        rates = [second.read for second in seconds]
        assert turns(seconds) <= len(seconds) / 4
        assert statistics.pstdev(rates) < 0.5 * statistics.mean(rates)

    def test_where_nothing_is_missed_it_is_soon_at_full_speed(
        self, name: str, writers: bool
    ) -> None:
        curve = load(name, writers=writers)
        seconds = list(copy_beside(curve, kept(curve, 1000.0), SECONDS))
        assert all(second.read == curve.fastest for second in seconds[8:])

    def test_when_the_load_is_over_it_recovers(self, name: str, writers: bool) -> None:
        curve = load(name, writers=writers)
        wanted = kept(curve, between(curve) / 2)
        seconds = list(copy_beside(curve, wanted, SECONDS, load_ends=30))
        assert statistics.mean(second.read for second in seconds[20:30]) < 0.8 * curve.fastest
        assert seconds[42].read == curve.fastest


def test_as_it_was_recorded_it_is_at_full_speed_soon_after_the_last_statement() -> None:
    curve = load("mariadb-load-ends")
    last = max(number for number, each in enumerate(curve.seconds) if each.p99_ms is not None)
    seconds = list(replay(curve, kept(curve), first_state(idle=False, known_rate=curve.fastest)))
    assert seconds[last].state.rate is not None
    rates = [second.state.rate or curve.fastest for second in seconds[last:]]
    assert next(number for number, rate in enumerate(rates) if rate >= curve.fastest) <= 6
