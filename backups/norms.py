"""What is usual? The median of what there was, and how far its members lie from it.

Pure. The median absolute deviation, unlike the standard deviation, is not moved by the one
run that went wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

# How many of the newest runs are looked at.
DEPTH = 20
# With fewer there is nothing to call usual.
LEAST = 5
# Beyond the median by more than this many deviations, a figure stands out.
SPREAD = 3


@dataclass(frozen=True, slots=True)
class Norm:
    """What is usual of ``count`` figures."""

    count: int
    median: float
    deviation: float

    def most(self) -> float:
        """Return what a figure may come to before it stands out."""
        return self.median + SPREAD * self.deviation


def measure_norm(figures: Sequence[float]) -> Norm | None:
    """Return what is usual of these; None when they are fewer than LEAST."""
    if len(figures) < LEAST:
        return None
    middle = median(figures)
    return Norm(len(figures), middle, median([abs(figure - middle) for figure in figures]))
