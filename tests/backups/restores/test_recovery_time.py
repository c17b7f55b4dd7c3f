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
    RecoveryWork,
    StageTime,
    Times,
    missing,
    predict,
)

MIB = 1024 * 1024
GIB = 1024 * MIB


def of(stage: str, *seconds: float, moved: int = 0, size: int = GIB) -> list[StageTime]:
    return [StageTime(stage, each, moved, size) for each in seconds]


MEASURED = {
    EXTRACT: of(EXTRACT, 10, moved=GIB),
    PREPARE: of(PREPARE, 4),
    START: of(START, 2),
    REPLAY_SERVER: of(REPLAY_SERVER, 3),
    APPLY: of(APPLY, 10, moved=100 * MIB),
}
TWICE = {name: [*times, *times] for name, times in MEASURED.items()}


def seconds(length: timedelta) -> float:
    return round(length.total_seconds(), 3)


def middle(times: Times, work: RecoveryWork) -> float:
    found = predict(times, work)
    assert found is not None
    return seconds(found.middle)


def test_bytes_take_as_long_as_bytes_did_and_all_else_as_long_as_before() -> None:
    # Extract 10, prepare 4, start 2, replay 3 + 5.
    assert middle(MEASURED, RecoveryWork(GIB, 50 * MIB)) == 24


def test_without_a_replay_none_is_counted() -> None:
    assert middle({**MEASURED, APPLY: []}, RecoveryWork(GIB)) == 16


def test_what_was_started_to_prepare_is_not_started_again() -> None:
    assert middle({**MEASURED, START: []}, RecoveryWork(GIB, starts=False)) == 14
    assert missing({}, replays=False, starts=False) == [EXTRACT, PREPARE]


@pytest.mark.parametrize(("size", "expected"), [(2 * GIB, 20 + 8 + 4), (GIB // 2, 5 + 4 + 2)])
def test_a_larger_backup_takes_longer_and_a_smaller_one_is_started_no_faster(
    size: int, expected: float
) -> None:
    assert middle(MEASURED, RecoveryWork(size)) == expected


def test_preparing_takes_as_long_as_its_redo_log_where_that_is_known() -> None:
    times = {**MEASURED, PREPARE: [StageTime(PREPARE, 4, 0, GIB, redo_bytes=100 * MIB)]}
    assert middle(times, RecoveryWork(2 * GIB, redo=300 * MIB)) == 20 + 12 + 4
    # Not known of this backup: by its size.
    assert middle(times, RecoveryWork(2 * GIB)) == 20 + 8 + 4


@pytest.mark.parametrize("stage", list(MEASURED))
def test_a_stage_that_was_never_measured_makes_it_unknown(stage: str) -> None:
    without = {name: times for name, times in MEASURED.items() if name != stage}
    assert predict(without, RecoveryWork(GIB, MIB)) is None
    assert missing(without, replays=True) == [stage]


def test_what_is_short_counts_where_it_was_measured() -> None:
    with_short = {**MEASURED, FIND: of(FIND, 1), CHECK: of(CHECK, 0.5)}
    assert middle(with_short, RecoveryWork(GIB, 50 * MIB)) == 25.5
    # Nothing is looked for where nothing is replayed.
    assert middle(with_short, RecoveryWork(GIB)) == 16.5


def test_the_rate_of_hardly_any_bytes_is_none() -> None:
    tiny = [*of(APPLY, 1, moved=1000), *MEASURED[APPLY]]
    assert middle({**MEASURED, APPLY: tiny}, RecoveryWork(GIB, 50 * MIB)) == 24
    # Where there is no other, it has to do.
    assert middle({**MEASURED, APPLY: tiny[:1]}, RecoveryWork(GIB, 2000)) == 21


def test_one_measurement_of_any_stage_is_no_interval() -> None:
    found = predict({**TWICE, EXTRACT: MEASURED[EXTRACT]}, RecoveryWork(GIB, MIB))
    assert found is not None and not found.is_interval
    whole = predict(TWICE, RecoveryWork(GIB, MIB))
    assert whole is not None and whole.is_interval and whole.measured == 2
    assert [stage.stage for stage in whole.stages] == [
        EXTRACT,
        PREPARE,
        START,
        REPLAY_SERVER,
        APPLY,
    ]


def test_its_like_tell_how_much_restores_differ_and_not_how_long_they_take() -> None:
    like = {name: of(name, 100, 120, moved=GIB) for name in MEASURED}
    found = predict(MEASURED, RecoveryWork(GIB), like)
    assert found is not None and found.is_interval
    assert seconds(found.middle) == 16
