from __future__ import annotations

from dataclasses import replace

import pytest

from backups.pacing.observation import UNKNOWN, Measure
from backups.pacing.reasons import PaceReason
from backups.pacing.rule import (
    EASY,
    FREE_AFTER,
    GROWTH,
    LEAST_GROWTH,
    LEAST_TARGET_MS,
    START_BYTES_PER_S,
    START_GROWTH,
    RuleState,
    decide,
    first_state,
    floor_of,
    wanted_of,
)
from tests.backups.pacing.curves import (
    BEFORE,
    FULL_SPEED,
    MIB,
    QUIET_MS,
    burst,
    copy,
    knee,
    seen,
    silent,
    wanted,
)

TOTAL = 12_000 * MIB
TARGET_MS = 5 * QUIET_MS


class TestTarget:
    def test_it_is_a_multiple_of_what_was_seen_before(self) -> None:
        assert wanted().target_ms == TARGET_MS

    def test_very_short_statements_may_take_a_little_longer_than_that(self) -> None:
        fast = replace(BEFORE, p99_ms=0.3)
        kept = wanted_of(5, 0, fast, Measure.P99, least=0, longest=8)
        assert kept.target_ms == LEAST_TARGET_MS[Measure.P99]

    def test_of_an_idle_instance_a_usual_time_is_assumed(self) -> None:
        assert wanted_of(5, 0, UNKNOWN, Measure.P99, least=0, longest=8).target_ms == 50

    def test_lag_counts_from_what_it_was_before(self) -> None:
        behind = replace(BEFORE, lag_s=100.0)
        kept = wanted_of(0, 30, behind, Measure.P99, least=0, longest=8)
        assert (kept.target_ms, kept.target_lag_s) == (None, 130)


class TestIdleInstance:
    def test_it_is_read_at_full_speed_from_the_first_byte_to_the_last(self) -> None:
        seconds = list(
            copy(lambda rate, at: None if at < 0 else 1.0, TOTAL, state=first_state(idle=True))
        )
        assert all(second.state.rate is None for second in seconds)
        assert len(seconds) == TOTAL / FULL_SPEED

    def test_one_that_gets_busy_is_noticed(self) -> None:
        *_, last = copy(burst(knee(40 * MIB), 3, 5), 1000 * MIB, state=first_state(idle=True))
        assert last.state.rate is not None


class TestBusyInstance:
    def test_a_copy_that_nobody_notices_is_soon_at_full_speed(self) -> None:
        seconds = list(copy(knee(10 * FULL_SPEED), TOTAL))
        assert seconds[0].read == START_BYTES_PER_S
        assert [second.state.rate for second in seconds[12:]] == [None] * len(seconds[12:])
        assert len(seconds) <= 1.1 * TOTAL / FULL_SPEED + 5

    def test_the_target_is_kept_but_for_single_seconds(self) -> None:
        seconds = list(copy(knee(60 * MIB), TOTAL))
        over = [second for second in seconds if (second.p99_ms or 0) > TARGET_MS]
        assert len(over) < 0.1 * len(seconds)
        assert max(second.p99_ms or 0 for second in seconds[10:]) < 2 * TARGET_MS

    def test_what_the_disk_has_room_for_is_used(self) -> None:
        seconds = list(copy(knee(60 * MIB), TOTAL))
        assert len(seconds) < 1.5 * TOTAL / (60 * MIB)

    def test_it_never_starves(self) -> None:
        kept = wanted()
        for second in copy(knee(2 * MIB, slope=100), 2000 * MIB):
            assert second.state.rate is None or second.state.rate >= floor_of(second.state, kept)

    def test_a_single_fast_second_does_not_raise_its_floor(self) -> None:
        state = RuleState(20 * MIB, best=20 * MIB)
        for read in (20, 20, 20, 20, 1000, 20, 20):
            state = decide(state, wanted(), seen(QUIET_MS), read * MIB)
        assert floor_of(state, wanted()) <= (4 * 20 + 1000) / 5 * MIB / 8
        for _ in range(5):
            state = decide(state, wanted(), seen(QUIET_MS), 1000 * MIB)
        assert state.best == 1000 * MIB

    def test_its_time_is_bounded_whatever_the_instance_does(self) -> None:
        state = first_state(idle=False, known_rate=FULL_SPEED)
        seconds = list(copy(lambda rate, at: 5000.0, TOTAL, state=state))
        assert len(seconds) <= 8 * TOTAL / FULL_SPEED + 8
        assert seconds[-1].state.reason is PaceReason.LONGEST

    def test_after_a_burst_it_recovers(self) -> None:
        seconds = list(copy(burst(knee(10 * FULL_SPEED), 10, 20), TOTAL))
        assert min(second.read for second in seconds[12:22]) < FULL_SPEED / 4
        rates = [second.state.rate for second in seconds]
        assert None in rates[22:45]

    def test_a_limit_that_does_not_bind_is_dropped(self) -> None:
        state = RuleState(100 * MIB, reason=PaceReason.LATENCY)
        for _ in range(FREE_AFTER):
            state = decide(state, wanted(), seen(QUIET_MS), 20 * MIB)
        assert (state.rate, state.reason) == (None, PaceReason.FULL)


class TestStart:
    def test_it_begins_at_a_third_of_what_an_earlier_copy_read(self) -> None:
        assert first_state(idle=False, known_rate=300 * MIB).rate == 100 * MIB

    @pytest.mark.parametrize(("borne", "rate"), [(300, 150), (100, 80), (10, 16)])
    def test_or_at_half_but_at_no_more_than_the_last_one_that_was_watched(
        self, borne: int, rate: int
    ) -> None:
        state = first_state(idle=False, known_rate=300 * MIB, borne_rate=borne * MIB)
        assert state.rate == rate * MIB
        assert first_state(idle=False, known_rate=3 * MIB).rate == START_BYTES_PER_S

    def test_it_grows_less_near_the_target(self) -> None:
        state = first_state(idle=False)
        far = decide(state, wanted(), seen(TARGET_MS * (EASY - 0.1)), START_BYTES_PER_S)
        near = decide(state, wanted(), seen(TARGET_MS * (EASY + 0.1)), START_BYTES_PER_S)
        assert far.rate == START_BYTES_PER_S * START_GROWTH
        assert near.rate == START_BYTES_PER_S * GROWTH

    def test_it_grows_less_beyond_what_was_borne_the_last_time(self) -> None:
        state = first_state(idle=False, known_rate=100 * MIB, borne_rate=70 * MIB)
        assert state.rate == 50 * MIB
        state = decide(state, wanted(), seen(QUIET_MS), 50 * MIB)
        assert state.rate == 50 * MIB * GROWTH

    def test_a_copy_that_has_not_begun_to_read_does_not_grow(self) -> None:
        state = first_state(idle=False)
        for _ in range(30):
            state = decide(state, wanted(), seen(QUIET_MS), 0.0)
        assert (state.rate, state.reason) == (START_BYTES_PER_S, PaceReason.STARTING)


class TestSteps:
    def test_a_little_too_slow_takes_a_little_and_far_too_slow_half(self) -> None:
        state = RuleState(100 * MIB)
        mild = decide(state, wanted(), seen(TARGET_MS * 1.1), 100 * MIB)
        some = decide(state, wanted(), seen(TARGET_MS * 1.6), 100 * MIB)
        hard = decide(state, wanted(), seen(TARGET_MS * 3), 100 * MIB)
        assert (mild.rate, some.rate, hard.rate) == (85 * MIB, 62.5 * MIB, 50 * MIB)
        assert mild.detail == "p99 44 ms, target 40 ms"

    def test_the_interval_that_still_shows_the_old_rate_is_left_out(self) -> None:
        first = decide(RuleState(100 * MIB), wanted(), seen(500.0), 100 * MIB)
        second = decide(first, wanted(), seen(500.0), 50 * MIB)
        third = decide(second, wanted(), seen(500.0), 50 * MIB)
        assert (first.rate, second.rate, third.rate) == (50 * MIB, 50 * MIB, 25 * MIB)

    def test_near_the_target_it_stays(self) -> None:
        state = decide(RuleState(50 * MIB), wanted(), seen(TARGET_MS * 0.9), 50 * MIB)
        assert state.rate == 50 * MIB

    def test_it_comes_nearer_to_the_rate_that_was_too_much(self) -> None:
        far = RuleState(60 * MIB, too_much=100 * MIB, calm=1, reason=PaceReason.LATENCY)
        near = replace(far, rate=99 * MIB)
        forgotten = replace(far, calm=9)
        assert decide(far, wanted(), seen(QUIET_MS), 60 * MIB).rate == 70 * MIB
        assert decide(near, wanted(), seen(QUIET_MS), 99 * MIB).rate == 99 * MIB * LEAST_GROWTH
        assert decide(forgotten, wanted(), seen(QUIET_MS), 60 * MIB).rate == 60 * MIB * GROWTH

    def test_where_no_statements_run_any_longer_it_is_soon_at_full_speed(self) -> None:
        state = RuleState(20 * MIB, too_much=25 * MIB, reason=PaceReason.LATENCY)
        rates: list[float] = []
        while state.rate is not None and len(rates) < 20:
            read = min(state.rate, FULL_SPEED)
            state = decide(state, wanted(), seen(None, statements=0.0), read)
            rates.append(read)
        assert rates.index(FULL_SPEED) <= 8

    def test_replication_that_falls_behind_slows_it_too(self) -> None:
        kept = wanted_of(0, 30, BEFORE, Measure.P99, least=MIB, longest=8)
        state = decide(RuleState(None), kept, seen(1.0, lag_s=45.0), 100 * MIB)
        assert state.rate == pytest.approx(100 * MIB / 1.5)
        assert state.reason is PaceReason.LAG
        assert state.detail == "replication is 45 s behind, target 30 s"


class TestNoAnswer:
    def test_a_single_one_changes_nothing(self) -> None:
        state = decide(RuleState(None, best=FULL_SPEED), wanted(), None, FULL_SPEED)
        assert state.rate is None

    def test_once_it_answers_again_its_effect_is_to_be_found(self) -> None:
        state = RuleState(None, best=FULL_SPEED)
        for _ in range(5):
            state = decide(state, wanted(), None, FULL_SPEED)
        assert state.reason is PaceReason.UNKNOWN
        near_target = decide(state, wanted(), seen(TARGET_MS * 0.9), FULL_SPEED / 4)
        calm = decide(state, wanted(), seen(None), FULL_SPEED / 4)
        assert (near_target.reason, calm.reason) == (PaceReason.STARTING, PaceReason.STARTING)
        assert near_target.detail == "p99 36 ms, target 40 ms"
        assert calm.detail == "50.0 MiB/s until its effect is known"

    def test_a_quarter_of_the_fastest_is_read_until_there_is_one_again(self) -> None:
        seconds = list(copy(silent(knee(10 * FULL_SPEED), 15, 24), TOTAL))
        blind = [second.state for second in seconds[18:24]]
        assert {state.reason for state in blind} == {PaceReason.UNKNOWN}
        assert {state.rate for state in blind} == {FULL_SPEED / 4}
        assert seconds[40].state.rate is None
