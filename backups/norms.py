"""What is usual? The median of what there was, and how far its members lie from it.

Pure. The median absolute deviation, unlike the standard deviation, is not moved by the one
run that went wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

# How many of the newest runs are looked at.
DEPTH = 20
# With fewer there is nothing to call usual.
LEAST = 5
# Beyond the median by this many deviations, a run takes longer than expected.
SPREAD = 3


@dataclass(frozen=True, slots=True)
class Norm:
    """What is usual of ``count`` figures."""

    count: int
    median: float
    deviation: float


def measure_norm(figures: Sequence[float]) -> Norm | None:
    """Return what is usual of these; None when they are fewer than LEAST."""
    if len(figures) < LEAST:
        return None
    middle = median(figures)
    return Norm(len(figures), middle, median([abs(figure - middle) for figure in figures]))


def expected_duration(seconds: Sequence[float]) -> timedelta | None:
    """Return how long the next run may take, learnt from the newest DEPTH; None is unknown."""
    norm = measure_norm(seconds[:DEPTH])
    return None if norm is None else timedelta(seconds=norm.median + SPREAD * norm.deviation)
