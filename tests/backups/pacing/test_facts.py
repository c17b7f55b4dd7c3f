from __future__ import annotations

import math

import pytest

from backups.archive.about import check_about
from backups.exceptions import ArchiveError
from backups.pacing.facts import PaceFacts
from backups.pacing.observation import Baseline, Measure, Observation
from backups.pacing.quantiles import Lengths
from backups.pacing.reasons import PaceReason
from backups.pacing.tally import Tally
from backups.pacing.view import PaceNow, PaceView
from backups.pacing.words import PaceLog

BEFORE = Baseline(3.0, p99_ms=4.0, p50_ms=1.0, questions_per_s=1000.0)


def interval(p99_ms: float) -> Observation:
    return Observation(1.0, 1000.0, 2.0, Lengths({1.0: 985.0, p99_ms: 15.0}, 1000.0), 3.0)


class TestTally:
    def test_what_it_cost_is_of_the_whole_copy(self) -> None:
        tally = Tally()
        for p99_ms in (20.0, 20.0, 20.0, 500.0):
            tally.see(interval(p99_ms))
        tally.limit(3.0, None, PaceReason.FULL)
        tally.limit(1.0, 5e6, PaceReason.LATENCY)
        facts = tally.facts(BEFORE, Measure.P99, "histogram", 20.0)
        assert (facts.p50_during_ms, facts.p99_during_ms, facts.p99_worst_ms) == (1, 20, 500)
        assert (facts.full_s, facts.limited_s, facts.lowest_bytes_per_s) == (3, 1, 5_000_000)
        assert (facts.main_reason, facts.questions_during_per_s) == ("latency", 1000)
        assert facts.lag_worst_s == 3

    def test_of_a_mean_there_is_no_median(self) -> None:
        tally = Tally()
        tally.see(interval(20.0))
        facts = tally.facts(BEFORE, Measure.MEAN, "threads", None)
        assert facts.p50_during_ms is None
        assert facts.p99_during_ms == pytest.approx(1.285)


class TestStored:
    def test_what_was_written_is_read_again(self) -> None:
        facts = PaceFacts(measure="p99", p99_before_ms=4.5, full_s=3.0, redo_lifted=2)
        assert PaceFacts.read(facts.write()) == facts

    @pytest.mark.parametrize("number", [math.inf, math.nan, 1e40, -1.0])
    def test_a_number_that_cannot_be_stored_is_unknown(self, number: float) -> None:
        facts = PaceFacts(full_s=3.0, p99_worst_ms=number, redo_worst_share=number)
        assert facts.write() == PaceFacts(full_s=3.0).write()

    def test_nor_can_a_count_beyond_a_column(self) -> None:
        assert "lowest_bytes_per_s" not in PaceFacts(lowest_bytes_per_s=1 << 64).write()

    def test_what_an_older_version_lacks_and_a_newer_adds_is_unknown(self) -> None:
        assert PaceFacts.read({}) is None
        assert PaceFacts.read({"full_s": 1, "news": 7}) == PaceFacts(full_s=1)

    def test_what_is_no_fact_is_left_out(self) -> None:
        forged = {"full_s": math.nan, "limited_s": "long", "measure": 7, "redo_lifted": True}
        assert PaceFacts.read(forged) == PaceFacts()

    def test_a_manifest_with_them_is_accepted_and_a_forged_one_is_not(self) -> None:
        check_about({"pace": PaceFacts(measure="p99", full_s=3.0).write()})
        several: list[object] = [
            [],
            {"a": {}},
            {"a\n": 1},
            {"a": math.inf},
            {"a": "b" * 99},
            {"a": -1},
        ]
        for forged in several:
            with pytest.raises(ArchiveError):
                check_about({"pace": forged})


class TestView:
    def test_a_sample_has_the_worst_since_the_last_one(self) -> None:
        view = PaceView()
        view.show(PaceNow(PaceReason.FULL, "", None, 90.0, 40.0))
        view.show(PaceNow(PaceReason.LATENCY, "", 5, 20.0, 40.0))
        view.show(PaceNow(PaceReason.FULL, "", None, 10.0, 40.0))
        sample = view.take_sample()
        assert (sample.reason, sample.bytes_per_s, sample.p99_ms) == (PaceReason.LATENCY, 5, 90)
        assert view.take_sample().reason is PaceReason.FULL


class TestLog:
    def test_a_limit_that_comes_and_goes_for_hours_fills_no_log(self) -> None:
        at, lines = [0.0], []
        log = PaceLog(lambda text, warning=False: lines.append(text), clock=lambda: at[0])
        for second in range(36_000):
            at[0] = float(second)
            reason = PaceReason.LATENCY if second % 20 < 10 else PaceReason.FULL
            log.change(reason, 5 if reason is PaceReason.LATENCY else None, "p99 38 ms")
        assert lines[0] == "at most 5 B/s: p99 38 ms"
        assert len(lines) < 150
