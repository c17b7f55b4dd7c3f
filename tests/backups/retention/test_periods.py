"""Which hour, day, week, month or year does a backup stand for, on which clock?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from backups.retention.periods import PeriodCounts, newest_of_periods

HOUR = timedelta(hours=1)


def test_a_day_is_one_of_the_time_zone() -> None:
    # In Berlin the first two are of the 2nd of March.
    moments = [datetime(2026, 3, 2, 22, 30, tzinfo=UTC), datetime(2026, 3, 1, 23, 30, tzinfo=UTC)]
    assert set(newest_of_periods(moments, PeriodCounts(daily=2), "Europe/Berlin")) == {0}
    assert set(newest_of_periods(moments, PeriodCounts(daily=2), "UTC")) == {0, 1}


def test_the_hour_that_the_clock_shows_twice_is_two() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    moments = [first + 2 * HOUR, first + HOUR, first]
    found = newest_of_periods(moments, PeriodCounts(hourly=3), "Europe/Berlin")
    assert set(found) == {0, 1, 2}


def test_a_week_belongs_to_the_year_of_its_thursday() -> None:
    moments = [datetime(2027, 1, 1, 12, tzinfo=UTC), datetime(2026, 12, 28, 12, tzinfo=UTC)]
    found = newest_of_periods(moments, PeriodCounts(weekly=2, yearly=2), "UTC")
    assert found[0] == ["weekly of 2026-W53, one of 2", "yearly of 2027, one of 2"]
    assert found[1] == ["yearly of 2026, one of 2"]


def test_periods_without_a_backup_are_not_counted() -> None:
    newest = datetime(2026, 3, 2, 2, tzinfo=UTC)
    moments = [newest - timedelta(days=days) for days in (0, 40, 80)]
    assert set(newest_of_periods(moments, PeriodCounts(daily=3), "UTC")) == {0, 1, 2}
    assert newest_of_periods(moments, PeriodCounts(), "UTC") == {}
