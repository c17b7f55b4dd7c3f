"""Are the figures of a replay what was measured?"""

from __future__ import annotations

from bench.binlog_replay import ReplayFigures


def test_a_line_has_rate_and_processor_time() -> None:
    line = ReplayFigures("pipe", 200_000_000, 50.0, 25.5, 4.8).line()
    assert line == (
        "pipe: 200 MB in 50.0 s, 4.0 MB/s; CPU 25.5 s of the server, 4.8 s of what feeds it"
    )
