"""A rhythm is said in words where there are some, and as it was written where not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backups.schedule import Rhythm
from monitor.wording.lengths import format_configured_length
from monitor.wording.rhythms import rhythm_in_words

T0 = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("30 2 * * *", "every day at 02:30"),
        ("0 3 * * 0", "Sunday at 03:00"),
        ("0 3 * * 7", "Sunday at 03:00"),
        ("0 3 * * SUN", "Sunday at 03:00"),
        ("5 4 * * 1-5", "Monday to Friday at 04:05"),
        ("5 4 * * 0,6", "Saturday and Sunday at 04:05"),
        ("5 4 * * 0,3", "Wednesday and Sunday at 04:05"),
        ("5 4 * * 0-6", "every day at 04:05"),
        ("15 */6 * * *", "every 6 h at :15"),
        ("15 * * * *", "every hour at :15"),
        ("*/5 * * * *", "every 5 min"),
        ("*/5 * * * 1-5", "every 5 min, Monday to Friday"),
        ("* * * * *", "every minute"),
        ("0 1,13 * * *", "every day at 01:00 and 13:00"),
        ("0 1 1,15 * *", "day 1 and 15 of each month at 01:00"),
        ("0 1 L * *", "the last day of each month at 01:00"),
        # What would be wrong in short words is left as it is.
        ("0 1 1 * 1", "cron 0 1 1 * 1"),
        ("0 1 * 6 *", "cron 0 1 * 6 *"),
        ("0 1 * * 1#2", "cron 0 1 * * 1#2"),
        ("0 1 * * 5-1", "cron 0 1 * * 5-1"),
        ("0-10 1 * * *", "cron 0-10 1 * * *"),
        ("0 1-3 * * *", "cron 0 1-3 * * *"),
        ("0 1 *", "cron 0 1 *"),
    ],
)
def test_cron(cron: str, words: str) -> None:
    assert rhythm_in_words(Rhythm(cron, "UTC", None, T0)) == words


@pytest.mark.parametrize(("hours", "words"), [(1, "every hour"), (8, "every 8 h")])
def test_every_so_many_hours(hours: int, words: str) -> None:
    assert rhythm_in_words(Rhythm("", "UTC", hours, T0)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (90, "1 min 30 s"), (14_400, "4 h"), (5400, "1 h 30 min"), (2_592_000, "30 d")],
)
def test_a_chosen_length(seconds: int, words: str) -> None:
    assert format_configured_length(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("full_cron", "words"),
    [
        ("30 2 * * 0", "every day at 02:30; full: Sunday at 02:30"),
        ("30 2 1 1,7 *", "every day at 02:30; full: cron 30 2 1 1,7 *"),
    ],
)
def test_full_backups_between(full_cron: str, words: str) -> None:
    assert rhythm_in_words(Rhythm("30 2 * * *", "UTC", None, T0, full_cron)) == words
