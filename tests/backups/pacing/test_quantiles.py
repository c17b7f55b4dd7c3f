from __future__ import annotations

import random

import pytest

from backups.pacing.quantiles import (
    LONGEST_AGE_MS,
    Lengths,
    SeenStatements,
    Statement,
    bucket,
    histogram_between,
)


class TestLengths:
    def test_a_hundredth_of_all_makes_p99(self) -> None:
        lengths = Lengths({1.0: 900.0, 5.0: 89.0, 40.0: 11.0}, 1000.0)
        assert (lengths.p50_ms, lengths.p99_ms) == (1, 40)
        assert Lengths({1.0: 990.0, 40.0: 9.0}, 1000.0).p99_ms == 1

    def test_one_slow_query_on_a_quiet_instance_is_none(self) -> None:
        assert Lengths({500.0: 1.0}, 1.0).p99_ms is None
        assert Lengths({500.0: 2.0}, 2.0).p99_ms == 500

    def test_what_was_too_short_to_be_seen_is_no_length(self) -> None:
        assert Lengths({40.0: 5.0}, 1000.0).p99_ms is None


class TestLooking:
    def test_an_estimate_comes_near_to_what_the_statements_took(self) -> None:
        """Writers of which most statements take 2 ms, and one of 50 takes 80."""
        chance = random.Random(5)
        seen, ended, gap = SeenStatements(), 0, 100.0
        looks: dict[int, list[Statement]] = {}
        for writer in range(8):
            at = chance.uniform(0, 10)
            while at < 30_000:
                length = 80.0 if chance.random() < 0.02 else 2.0
                for look in range(int(at // gap) + 1, int((at + length) // gap) + 1):
                    looks.setdefault(look, []).append(Statement((writer, ended), look * gap - at))
                ended += 1
                at += length + 1
        for statements in looks.values():
            seen.look(statements)
        found = seen.lengths(ended, gap)
        assert found.p99_ms == pytest.approx(80, rel=0.5)
        assert found.p50_ms == pytest.approx(2, rel=0.6)

    def test_one_that_is_seen_again_counts_once_and_for_longer(self) -> None:
        seen = SeenStatements()
        for age in (50.0, 150.0, 250.0):
            assert seen.look([Statement((1, 1), age), Statement((2, 1), age)]) == 2
        assert seen.lengths(10, 100).counts == {bucket(300): 2}

    def test_reports_are_left_out(self) -> None:
        seen = SeenStatements({(7, 7)})
        statements = [Statement((7, 7), 500), Statement((8, 8), LONGEST_AGE_MS + 1)]
        assert seen.look(statements) == 0


class TestHistogram:
    def test_what_was_counted_between_two_looks(self) -> None:
        before, after = {1.0: 100, 50.0: 3}, {1.0: 190, 50.0: 13, 200.0: 1}
        assert histogram_between(before, after) == Lengths({1.0: 90, 50.0: 10, 200.0: 1}, 101)

    def test_one_that_was_emptied_meanwhile_counts_from_zero(self) -> None:
        assert histogram_between({1.0: 100}, {1.0: 7}) == Lengths({1.0: 7}, 7)
