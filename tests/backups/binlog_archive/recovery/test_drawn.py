"""A drill's moment is drawn from what is recoverable, and from nothing else."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from backups.binlog_archive.recovery.drawn import EDGE, MomentSpan, draw_moment, newest_moment
from tests.backups.binlog_archive.spooled import HOUR, MINUTE, SECOND, T0

BEFORE = MomentSpan(T0, T0 + HOUR)
AFTER_A_GAP = MomentSpan(T0 + 5 * HOUR, T0 + 8 * HOUR)
SHORT = MomentSpan(T0, T0 + 4 * SECOND)


def test_no_moment_is_in_a_gap_and_long_spans_are_drawn_more_often() -> None:
    chance, counts = random.Random(7), {BEFORE: 0, AFTER_A_GAP: 0}
    for _ in range(2000):
        drawn = draw_moment([BEFORE, AFTER_A_GAP], chance.randrange)
        assert drawn is not None
        assert drawn.span.from_at + EDGE < drawn.moment <= drawn.span.to_at
        counts[drawn.span] += 1
    assert 400 < counts[BEFORE] < 600


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (0, T0 + MINUTE + timedelta(microseconds=1)),
        (59 * 60 * 10**6 - 1, T0 + HOUR),
        (59 * 60 * 10**6, T0 + 5 * HOUR + MINUTE + timedelta(microseconds=1)),
        (238 * 60 * 10**6 - 1, T0 + 8 * HOUR),
    ],
)
def test_the_first_and_the_last_of_each_span_are_drawn(number: int, moment: object) -> None:
    drawn = draw_moment([BEFORE, AFTER_A_GAP], lambda count: number)
    assert drawn is not None and drawn.moment == moment


def test_of_a_short_span_its_later_half() -> None:
    drawn = draw_moment([SHORT], lambda count: 0)
    assert drawn is not None and drawn.moment > T0 + 2 * SECOND


def test_without_a_transaction_after_a_backup_there_is_none() -> None:
    assert draw_moment([], lambda count: 0) is None
    assert draw_moment([MomentSpan(T0, T0)], lambda count: 0) is None
    assert newest_moment([MomentSpan(T0, T0)]) is None


def test_the_newest_is_the_end_of_the_last() -> None:
    newest = newest_moment([AFTER_A_GAP, BEFORE])
    assert newest is not None and newest.moment == AFTER_A_GAP.to_at
