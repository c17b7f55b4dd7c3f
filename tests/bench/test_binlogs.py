"""Does the table of the archive's figures say which goals are met?"""

from __future__ import annotations

from bench.binlogs import Figure, at_least, at_most


def test_a_figure_is_held_against_its_goal() -> None:
    assert Figure("index", 83.5, "MB/s of CPU", at_least(60)).line().endswith(">= 60    met")
    assert Figure("idle", 12.3, "% of a core", at_most(10)).line().endswith("<= 10    NOT MET")
    assert Figure("commits", 400, "commits/s").line().endswith("400.00 commits/s")
