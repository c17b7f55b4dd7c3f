"""What is usual? The median of past figures, and their median deviation from it.

Pure. The median absolute deviation, unlike the standard deviation, is not distorted by a
single outlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

# How many of the newest runs are used.
DEPTH = 20
# With fewer no norm is computed.
LEAST = 5
# A figure more than this many deviations above the median is unusual.
SPREAD = 3


@dataclass(frozen=True, slots=True)
class Norm:
    """The median and deviation of ``count`` figures."""

    count: int
    median: float
    deviation: float

    def most(self) -> float:
        """Return the largest figure that is not unusual."""
        return self.median + SPREAD * self.deviation


def measure_norm(figures: Sequence[float]) -> Norm | None:
    """Return the norm of the figures; None if there are fewer than LEAST."""
    if len(figures) < LEAST:
        return None
    middle = median(figures)
    return Norm(len(figures), middle, median([abs(figure - middle) for figure in figures]))
