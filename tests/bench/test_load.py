"""Is sysbench's own report read as it was meant?"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.load import LoadReport, parse_report, percentile
from bench.measure import BenchError

REPORT = Path(__file__).parents[1] / "data" / "sysbench-1.0.20-write-load.log"


def test_it_reads_a_report() -> None:
    assert parse_report(REPORT.read_text()) == LoadReport(
        tps=93.61,
        worst_second_tps=85.98,
        p50_ms=3.551,
        p95_ms=12.081,
        p99_ms=16.408,
        longest_ms=29.43,
    )


def test_a_report_that_was_cut_off_is_an_error() -> None:
    with pytest.raises(BenchError, match="nothing that can be read"):
        parse_report(REPORT.read_text().partition("SQL statistics")[0])


@pytest.mark.parametrize(
    ("per_cent", "value"), [(1, 1.0), (50, 1.0), (51, 2.0), (99, 2.0), (100, 3.0)]
)
def test_a_percentile_at_its_edges(per_cent: int, value: float) -> None:
    assert percentile([(1.0, 50), (2.0, 49), (3.0, 1)], per_cent) == value
