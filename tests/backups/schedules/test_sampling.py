"""The rule by which a fleet is proven in N days, over a month with a clock of the test's own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from backups.schedules.sampling import ProofCandidate, Round, choose_sample, too_large
from tests.backups.planning import T0

DAY = timedelta(days=1)
GIB = 1024**3
MONTH = 30


def fleet(count: int = 60) -> list[ProofCandidate]:
    return [
        ProofCandidate(n, T0, (1 + n % 5) * GIB, never_proven=True, important=n % 10 == 0)
        for n in range(count)
    ]


def month_of(
    candidates: list[ProofCandidate],
    *,
    days: int,
    budget: int | None = None,
    failing: int | None = None,
    rounds: int = MONTH,
) -> list[list[int]]:
    """Prove whom the rule names; one of them fails each time."""
    known = {each.key: each for each in candidates}
    taken = []
    for day in range(rounds):
        due = Round(T0 + day * DAY, DAY, days * DAY, budget)
        chosen = choose_sample(known.values(), due)
        assert chosen == choose_sample(reversed(list(known.values())), due), (
            "two ticks draw the same"
        )
        taken.append(chosen)
        for key in chosen:
            known[key] = replace(
                known[key], since=due.at, never_proven=False, failed=key == failing
            )
    return taken


def longest_wait(taken: list[list[int]], key: int) -> int:
    days = [-1, *(day for day, keys in enumerate(taken) if key in keys), len(taken)]
    return max(later - sooner for sooner, later in pairwise(days))


@pytest.mark.parametrize("days", [7, 14, 30])
def test_every_instance_has_its_turn_in_time_and_no_day_is_crowded(days: int) -> None:
    taken = month_of(fleet(), days=days, rounds=2 * MONTH)
    assert max(longest_wait(taken, key) for key in range(60)) <= days
    assert max(map(len, taken)) <= 60 * 1.25 / days + 2


def test_a_budget_is_kept_and_still_each_has_its_turn() -> None:
    candidates = fleet()
    cost = {each.key: each.cost_bytes for each in candidates}
    # 180 GiB in 14 days is 13 GiB a day.
    taken = month_of(candidates, days=14, budget=20 * GIB, rounds=2 * MONTH)
    assert max(sum(cost[key] for key in keys) for keys in taken) <= 20 * GIB
    assert max(longest_wait(taken, key) for key in range(60)) <= 14


def test_the_heavy_come_more_often() -> None:
    taken = month_of(fleet(), days=10, failing=7, rounds=4 * MONTH)
    times = Counter(key for keys in taken for key in keys)
    important = [times[key] for key in range(0, 60, 10)]
    others = [times[key] for key in range(60) if key % 10 and key != 7]
    assert sum(important) / len(important) > sum(others) / len(others)
    assert times[7] > 1.1 * sum(others) / len(others), "what failed is looked at again sooner"


def test_what_makes_an_instance_heavier() -> None:
    plain = ProofCandidate(1, T0, GIB)
    for heavier in (
        replace(plain, never_proven=True),
        replace(plain, failed=True),
        replace(plain, important=True),
        replace(plain, changed=0.5),
    ):
        assert heavier.weight > plain.weight


def test_one_that_exceeds_the_budget_alone_is_named_once_it_is_due() -> None:
    large = ProofCandidate(1, T0, 30 * GIB)
    small = ProofCandidate(2, T0, GIB)
    early = Round(T0 + DAY, DAY, 10 * DAY, 20 * GIB)
    assert too_large([large, small], early) == []
    late = replace(early, at=T0 + 9 * DAY)
    assert choose_sample([large, small], late) == [2]
    assert too_large([large, small], late) == [1]
    assert too_large([large], replace(late, budget_bytes=None)) == []


def test_a_rhythm_that_is_too_slow_takes_everyone_each_time() -> None:
    due = Round(T0, 7 * DAY, 7 * DAY)
    assert sorted(choose_sample(fleet(5), due)) == [0, 1, 2, 3, 4]


def test_nobody_is_taken_of_an_empty_fleet() -> None:
    assert choose_sample([], Round(T0, DAY, 7 * DAY)) == []
