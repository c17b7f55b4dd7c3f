"""How long may a run take, judging by the runs before it? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from backups.norms import DEPTH, measure_norm


def expected_duration(newest_first: Sequence[timedelta]) -> timedelta | None:
    """Return how long a run may take before it is unusual; None while too few are known."""
    norm = measure_norm([length.total_seconds() for length in newest_first[:DEPTH]])
    return timedelta(seconds=norm.most()) if norm else None
