"""Does the interval of a stage contain as many as it says, and is it as wide as what is known?"""

from __future__ import annotations

import random
from math import exp

import pytest

from backups.restores.stage_fit import LEAST_SECONDS, Measured, fit

MIB = 1024 * 1024


def times(*pairs: tuple[float, float]) -> list[Measured]:
    return [Measured(round(mib * MIB), seconds) for mib, seconds in pairs]


def test_a_part_that_is_the_same_for_each_size_is_found() -> None:
    # 2 s whatever its size, and 1 s for each 10 MiB.
    found = fit(times((20, 4), (40, 6), (80, 10)), 200 * MIB, by_bytes=True)
    assert found.middle == pytest.approx(22, rel=0.01)


def test_nothing_takes_less_than_no_time() -> None:
    falling = fit(times((10, 5), (20, 4), (40, 3)), 400 * MIB, by_bytes=True)
    assert 3 < falling.middle < 5
    # Faster than in proportion: nothing of it is the same for each size.
    steep = fit(times((10, 1), (20, 4), (40, 16)), 80 * MIB, by_bytes=True)
    assert steep.middle == pytest.approx(16)


def test_alike_sizes_say_nothing_about_others_but_their_rate() -> None:
    found = fit(times((100, 10), (101, 10.1), (102, 10.2)), 200 * MIB, by_bytes=True)
    assert found.middle == pytest.approx(20, rel=0.01)


def test_with_one_there_is_no_interval() -> None:
    found = fit(times((100, 10)), 100 * MIB, by_bytes=True)
    assert (found.low, found.high) == (None, None)
    assert found.middle == pytest.approx(10)


def test_the_more_was_measured_the_narrower_it_is() -> None:
    pair = ((100, 10), (100, 11))
    widths = []
    for count in (1, 2, 5, 10):
        found = fit(times(*pair * count), 100 * MIB, by_bytes=True)
        assert found.low is not None and found.high is not None
        assert found.low < found.middle < found.high
        widths.append(found.high / found.low)
    assert widths == sorted(widths, reverse=True) and widths[0] > 2 * widths[-1]


def test_those_of_others_count_only_until_there_are_enough() -> None:
    wild, calm = times((100, 1), (100, 50), (100, 7)), times(*[(100, 10), (100, 11)] * 3)
    few = fit(calm[:2], 100 * MIB, by_bytes=True, like=wild)
    enough = fit(calm, 100 * MIB, by_bytes=True, like=wild)
    assert enough == fit(calm, 100 * MIB, by_bytes=True)
    assert few.high is not None and enough.high is not None and few.high > 3 * enough.high


@pytest.mark.parametrize("work", [0, 1, 100 * MIB])
def test_no_time_at_all_is_the_shortest_that_a_clock_shows(work: int) -> None:
    found = fit([Measured(0, 0), Measured(0, 0)], work, by_bytes=True)
    assert found.middle == pytest.approx(LEAST_SECONDS)


@pytest.mark.parametrize("measured", [3, 6, 12])
def test_about_nine_of_ten_are_within(measured: int) -> None:
    chance = random.Random(measured)

    def restore() -> Measured:
        mib = chance.choice((20, 50, 100, 200))
        return Measured(mib * MIB, (1 + mib / 20) * exp(chance.gauss(0, 0.25)))

    within, rounds = 0, 1000
    for _ in range(rounds):
        before, then = [restore() for _ in range(measured)], restore()
        found = fit(before, then.work, by_bytes=True)
        assert found.low is not None and found.high is not None
        within += found.low <= then.seconds <= found.high
    assert 0.84 <= within / rounds <= 0.98
