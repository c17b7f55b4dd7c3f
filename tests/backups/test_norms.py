from __future__ import annotations

import pytest

from backups.norms import Norm, measure_norm


@pytest.mark.parametrize(
    ("figures", "norm"),
    [
        ([], None),
        ([1, 2, 3, 4], None),
        ([1, 2, 3, 4, 5], Norm(5, 3, 1)),
        ([10, 10, 10, 10, 1000], Norm(5, 10, 0)),
        ([1, 2, 3, 4, 5, 6], Norm(6, 3.5, 1.5)),
    ],
)
def test_it_measures_what_is_usual(figures: list[float], norm: Norm | None) -> None:
    assert measure_norm(figures) == norm


def test_the_most_is_three_deviations_beyond_the_median() -> None:
    assert Norm(5, 100, 10).most() == 130
