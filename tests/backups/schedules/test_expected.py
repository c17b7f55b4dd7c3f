"""How long a run should take, learnt from others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backups.schedules.expected import expected_duration


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        ([], None),
        ([10] * 4, None),
        ([10] * 5, 10),
        # Median 12, deviations 2 1 0 1 2: usually 1.
        ([10, 11, 12, 13, 14], 15),
        # One outlier moves neither the median nor what is usual.
        ([10, 11, 12, 13, 14 * 60], 15),
        # The newest 20 only.
        ([10] * 20 + [500] * 30, 10),
        ([10] * 19 + [500] * 30, 10),
    ],
)
def test_the_median_and_three_deviations(minutes: list[int], expected: int | None) -> None:
    lengths = [timedelta(minutes=length) for length in minutes]
    wanted = None if expected is None else timedelta(minutes=expected)
    assert expected_duration(lengths) == wanted
