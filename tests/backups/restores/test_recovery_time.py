"""How long a recovery should take, from those before."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backups.restores.recovery_time import (
    APPLY,
    CHECK,
    EXTRACT,
    FIND,
    PREPARE,
    REPLAY_SERVER,
    START,
    StageTime,
    missing,
    predict,
)

MIB = 1024 * 1024
GIB = 1024 * MIB


def of(stage: str, *seconds: float, moved: int = 0, size: int = GIB) -> list[StageTime]:
    return [StageTime(stage, each, moved, size) for each in seconds]


MEASURED = {
    EXTRACT: of(EXTRACT, 10, 20, moved=GIB),
    PREPARE: of(PREPARE, 4),
    START: of(START, 2),
    REPLAY_SERVER: of(REPLAY_SERVER, 3),
    APPLY: of(APPLY, 10, moved=100 * MIB),
}


def seconds(length: timedelta) -> float:
    return round(length.total_seconds(), 3)


def test_bytes_take_as_long_as_bytes_did_and_all_else_as_long_as_before() -> None:
    found = predict(MEASURED, GIB, 50 * MIB)
    assert found is not None
    # Extract 10, 15 or 20, prepare 4, start 2, replay 3 + 5.
    assert [seconds(each) for each in (found.low, found.middle, found.high)] == [24, 29, 34]
    assert (found.is_interval, found.measured) == (True, 1)


def test_without_a_replay_none_is_counted() -> None:
    found = predict({**MEASURED, APPLY: []}, GIB, None)
    assert found is not None and seconds(found.middle) == 21


def test_what_was_started_to_prepare_is_not_started_again() -> None:
    found = predict({**MEASURED, START: []}, GIB, None, starts=False)
    assert found is not None and seconds(found.middle) == 19
    assert missing({}, replays=False, starts=False) == [EXTRACT, PREPARE]


@pytest.mark.parametrize(("size", "expected"), [(2 * GIB, 30 + 8 + 4), (GIB // 2, 7.5 + 4 + 2)])
def test_a_larger_backup_takes_longer_and_a_smaller_one_is_started_no_faster(
    size: int, expected: float
) -> None:
    found = predict(MEASURED, size, None)
    assert found is not None and seconds(found.middle) == expected


@pytest.mark.parametrize("stage", list(MEASURED))
def test_a_stage_that_was_never_measured_makes_it_unknown(stage: str) -> None:
    without = {name: times for name, times in MEASURED.items() if name != stage}
    assert predict(without, GIB, MIB) is None
    assert missing(without, replays=True) == [stage]


def test_what_is_short_counts_where_it_was_measured() -> None:
    with_short = {**MEASURED, FIND: of(FIND, 1), CHECK: of(CHECK, 0.5)}
    found = predict(with_short, GIB, 50 * MIB)
    assert found is not None and seconds(found.middle) == 30.5
    # Nothing is looked for where nothing is replayed.
    alone = predict(with_short, GIB, None)
    assert alone is not None and seconds(alone.middle) == 21.5


def test_the_rate_of_hardly_any_bytes_is_none() -> None:
    tiny = [*of(APPLY, 1, moved=1000), *MEASURED[APPLY]]
    found = predict({**MEASURED, APPLY: tiny}, GIB, 50 * MIB)
    assert found is not None and seconds(found.high) == 34
    # Where there is no other, it has to do.
    alone = predict({**MEASURED, APPLY: tiny[:1]}, GIB, 2000)
    assert alone is not None and seconds(alone.middle) == 26


def test_of_many_the_outer_tenths_are_left_out() -> None:
    many = {**MEASURED, PREPARE: of(PREPARE, *range(1, 12)), EXTRACT: of(EXTRACT, 10, moved=GIB)}
    found = predict(many, GIB, None)
    assert found is not None
    assert [seconds(found.low), seconds(found.high)] == [10 + 2 + 2, 10 + 10 + 2]


def test_one_measurement_is_no_interval() -> None:
    found = predict({**MEASURED, EXTRACT: of(EXTRACT, 10, moved=GIB)}, GIB, MIB)
    assert found is not None and not found.is_interval
