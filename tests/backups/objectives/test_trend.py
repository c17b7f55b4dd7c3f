"""Does a trend say when an objective will be missed, and is noise none?"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from backups.objectives.trend import LEAST_DAYS, missed_from

TODAY = date(2026, 3, 31)
M, D = timedelta(minutes=1), timedelta(days=1)
# As recorded: minutes of a recovery a day, of an instance whose data grow.
GROWING = (40, 41, 41, 43, 44, 44, 46, 47, 47, 49, 50, 50, 52, 53)
# One whose weekend is slow.
WEEKLY = (30, 30, 31, 30, 30, 44, 45) * 3


def series(minutes: Sequence[float]) -> list[tuple[date, timedelta]]:
    first = TODAY - len(minutes) * D
    return [(first + number * D, each * M) for number, each in enumerate(minutes)]


def test_growth_crosses_the_objective_on_a_day() -> None:
    # One minute a day, 54 today.
    assert missed_from(series(GROWING), 60 * M, TODAY) == TODAY + 6 * D


@pytest.mark.parametrize(
    ("minutes", "objective"),
    [
        (GROWING, 90 * M),  # more than 30 days ahead
        (GROWING[: LEAST_DAYS - 1], 50 * M),  # too few days
        (WEEKLY, 46 * M),
        ((30,) * 20, 31 * M),
        (GROWING[::-1], 60 * M),  # it falls
        ((30,) * 15 + (300,), 60 * M),  # one bad day
        ((), 60 * M),
    ],
)
def test_what_is_no_trend_has_no_day(minutes: Sequence[float], objective: timedelta) -> None:
    assert missed_from(series(minutes), objective, TODAY) is None


def test_what_the_line_has_crossed_by_now_is_missed_from_today_on() -> None:
    assert missed_from(series(GROWING), 50 * M, TODAY) == TODAY


def test_days_without_a_value_make_no_difference() -> None:
    days = series(GROWING)
    found = missed_from([*days[:4], *days[6:9], *days[11:]], 60 * M, TODAY)
    assert found is not None and abs((found - (TODAY + 6 * D)).days) <= 1


def test_only_the_last_thirty_count() -> None:
    long_ago = series((200,) * 40 + GROWING + tuple(range(54, 70)))
    assert missed_from(long_ago, 75 * M, TODAY) is not None


@pytest.mark.parametrize("seed", range(20))
def test_noise_makes_no_trend(seed: int) -> None:
    chance = random.Random(seed)
    noise = [chance.gauss(40, 5) for _ in range(30)]
    assert missed_from(series(noise), 60 * M, TODAY) is None
