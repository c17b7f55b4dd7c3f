"""How long should a run take, going by the ones before it?

Pure: the median of what was, and three times how far runs usually are from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from statistics import median

LEARN_FROM = 20
# Fewer say nothing about what is usual.
FEWEST = 5
DEVIATIONS = 3


def expected_duration(newest_first: Sequence[timedelta]) -> timedelta | None:
    """Return how long a run may take before it stands out; None while too few are known."""
    lengths = [length.total_seconds() for length in newest_first[:LEARN_FROM]]
    if len(lengths) < FEWEST:
        return None
    middle = median(lengths)
    usual = median(abs(length - middle) for length in lengths)
    return timedelta(seconds=middle + DEVIATIONS * usual)
