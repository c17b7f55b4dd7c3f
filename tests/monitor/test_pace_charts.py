"""The charts of a paced backup: rate with its limit, statements with their target."""

from __future__ import annotations

from datetime import timedelta

from django.test import SimpleTestCase

from backups.models import JobSample
from monitor.charts.job import draw_rates, draw_statements
from tests.monitor.rows import T0

MIB = 1 << 20


def sample(number: int, limit: int | None, p99_ms: float | None, reason: str = "") -> JobSample:
    return JobSample(
        sampled_at=T0 + timedelta(seconds=5 * number),
        stage="copy",
        bytes_done=number,
        rate_bytes_per_s=30 * MIB,
        pace_bytes_per_s=limit,
        pace_p99_ms=p99_ms,
        pace_reason=reason,
    )


class PaceChartsTestCase(SimpleTestCase):
    def test_the_limit_is_a_line_with_gaps_where_there_was_none(self) -> None:
        samples = [
            sample(1, None, 5, "full"),
            sample(2, 20 * MIB, 38, "latency"),
            sample(3, 40 * MIB, 22, "latency"),
            sample(4, 40 * MIB, 8, "configured"),
        ]
        figure = draw_rates(samples)
        self.assertEqual(figure.drawing["data"][1]["y"], [None, 20 * MIB, 40 * MIB, 40 * MIB])
        self.assertEqual(figure.drawing["data"][1]["text"][1], "20.0 MiB/s")
        self.assertGreaterEqual(figure.drawing["layout"]["yaxis"]["range"][1], 40 * MIB)
        self.assertIn(
            "Limited for 75 % of the copy, mostly: statements are slower than the target.",
            figure.summary,
        )

    def test_a_limit_far_above_the_rate_leaves_the_axis_to_the_rate(self) -> None:
        figure = draw_rates([sample(n, 1000 * MIB, None, "configured") for n in range(3)])
        self.assertLess(figure.drawing["layout"]["yaxis"]["range"][1], 60 * MIB)

    def test_what_was_not_paced_has_neither_line_nor_words(self) -> None:
        samples = [sample(n, None, None) for n in range(3)]
        figure = draw_rates(samples)
        self.assertEqual(len(figure.drawing["data"]), 1)
        self.assertNotIn("imited", figure.summary)
        self.assertIsNone(draw_statements(samples, None))

    def test_statements_are_drawn_against_the_target_unknown_ones_as_gaps(self) -> None:
        samples = [sample(n, None, p99) for n, p99 in enumerate([5.0, None, 38.25, 20.0])]
        figure = draw_statements(samples, 20)
        assert figure is not None
        times, target = figure.drawing["data"]
        self.assertEqual(times["y"], [0.005, None, 0.03825, 0.02])
        self.assertEqual(target["y"], [0.02, 0.02])
        self.assertEqual(figure.summary, "Usually 20 ms, at most 38.2 ms. Target 20 ms.")
        without = draw_statements(samples, None)
        assert without is not None
        self.assertEqual(without.summary, "Usually 20 ms, at most 38.2 ms.")
