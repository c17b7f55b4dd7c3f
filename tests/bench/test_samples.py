"""Are medians and ratios those of the rounds, and is a target met exactly where it is?"""

from __future__ import annotations

import pytest

from bench.samples import Place, Ratio, Result, Samples

OURS, THEIRS = Place("backup", "ours", "wall_s"), Place("backup", "theirs", "wall_s")


@pytest.fixture
def samples() -> Samples:
    found = Samples()
    for number, (ours, theirs) in enumerate([(8.0, 10.0), (30.0, 12.0), (9.0, 11.0)], 1):
        found.add("backup", "ours", number, {"wall_s": ours})
        found.add("backup", "theirs", number, {"wall_s": theirs})
    return found


def test_a_ratio_is_one_median_divided_by_the_other(samples: Samples) -> None:
    assert samples.results([Ratio("wall", OURS, THEIRS)]) == [Result("wall", 9 / 11, None, None)]


def test_a_ratio_without_a_divisor_is_the_figure(samples: Samples) -> None:
    assert samples.results([Ratio("wall", OURS)])[0].value == 9


def test_what_was_not_measured_has_no_ratio(samples: Samples) -> None:
    missing = Place("extract", "ours", "wall_s")

    assert samples.results([Ratio("a", missing, OURS), Ratio("b", OURS, missing)]) == []


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.851, "not met"), (0.85, "met"), (0.701, "met"), (0.70, "met, stretch too")],
)
def test_every_edge_of_a_target(value: float, verdict: str) -> None:
    assert Result("wall", value, 0.85, 0.70).verdict == verdict


def test_without_a_target_a_ratio_is_reported() -> None:
    assert Result("wall", 2.0, None, None).verdict == "reported"
