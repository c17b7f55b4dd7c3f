"""When will an objective be missed, if it goes on like this? Pure.

From one value a day. The line is the middle of all lines through two of them (Theil and Sen), so
one bad day does not make a trend, and a rise has to be there in three of four pairs of days.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import combinations
from statistics import median, quantiles

# With fewer days a week's rhythm would be taken for a trend.
LEAST_DAYS = 8
# Older days say little about the next.
MOST_DAYS = 30
AHEAD = timedelta(days=30)


def missed_from(
    days: Sequence[tuple[date, timedelta]], objective: timedelta, today: date
) -> date | None:
    """Return the day from which the trend misses the objective; None: not within 30 days.

    ``days`` are in their order. Today is the answer where the line has crossed it by now.
    """
    recent = [(day, length.total_seconds()) for day, length in days[-MOST_DAYS:]]
    if len(recent) < LEAST_DAYS:
        return None
    slopes = [
        (later - sooner) / (after - before).days
        for (before, sooner), (after, later) in combinations(recent, 2)
        if after > before
    ]
    if len(slopes) < 2 or quantiles(slopes, n=4)[0] <= 0:
        return None
    per_day = median(slopes)
    at_today = median(length + per_day * (today - day).days for day, length in recent)
    left = (objective.total_seconds() - at_today) / per_day
    if left > AHEAD.days:
        return None
    return today + timedelta(days=max(0, int(left)))
