from __future__ import annotations

from dataclasses import replace

from backups.pacing.guard import (
    LEAST_LOG_BYTES,
    SILENCE_SECONDS,
    TOOL_BUFFER_BYTES,
    TRICKLE_BYTES_PER_S,
    GuardNews,
    GuardState,
    RedoLead,
    in_words,
    judge_redo,
)
from backups.pacing.observation import RedoSeen
from backups.pacing.profile import PaceProfile, RedoRace
from backups.pacing.race import Race

MIB = 1 << 20
LOG = 100 * MIB
OVERWRITTEN = PaceProfile(race=RedoRace.OVERWRITTEN)


def lead(most: int, least: int = 0) -> RedoLead:
    """A log that is written slowly."""
    return RedoLead(least * MIB, most * MIB, LOG, float(TRICKLE_BYTES_PER_S))


class TestJudgement:
    def test_half_a_log_ahead_lifts_the_limit_and_a_quarter_brings_it_back(self) -> None:
        state = GuardState()
        lifted = []
        for most in (10, 49, 50, 40, 26, 24, 49):
            state, _ = judge_redo(state, lead(most), overwrites=True)
            lifted.append(state.lifted)
        assert lifted == [False, False, True, True, True, False, False]

    def test_what_is_written_until_the_tool_reads_again_counts(self) -> None:
        quiet = lead(20)
        fast, old = replace(quiet, bytes_per_s=30 * MIB), replace(quiet, bytes_per_s=10 * MIB)
        assert not judge_redo(GuardState(), quiet, overwrites=True)[0].lifted
        assert judge_redo(GuardState(), fast, overwrites=True)[0].lifted
        assert not judge_redo(GuardState(), old, overwrites=True)[0].lifted
        # No answer for two seconds, and as much may have been written.
        assert judge_redo(GuardState(), replace(old, age_s=2.0), overwrites=True)[0].lifted

    def test_a_log_that_is_too_small_is_not_slowed_while_it_is_written(self) -> None:
        small = RedoLead(0, 0, LEAST_LOG_BYTES - 1, MIB)
        state, news = judge_redo(GuardState(), small, overwrites=True)
        assert (state.lifted, news) == (True, [GuardNews.SMALL])
        assert judge_redo(state, small, overwrites=True) == (state, [])
        quiet = replace(small, bytes_per_s=TRICKLE_BYTES_PER_S - 1.0)
        state, _ = judge_redo(state, quiet, overwrites=True)
        assert not state.lifted
        # Not known yet whether it is written, and not known for too long.
        first = replace(small, bytes_per_s=None)
        assert not judge_redo(state, first, overwrites=True)[0].lifted
        assert judge_redo(state, replace(first, age_s=1.1), overwrites=True)[0].lifted
        enough = replace(small, capacity=LEAST_LOG_BYTES)
        assert not judge_redo(GuardState(), enough, overwrites=True)[0].lifted
        assert "too small to slow the copy down" in in_words(
            GuardNews.SMALL, small, overwrites=True
        )

    def test_an_instance_that_writes_nothing_keeps_its_limit(self) -> None:
        # Of 16 MiB, 8.5 are after the last checkpoint: the tool has not said yet that it has them.
        idle = RedoLead(0, 17 * MIB // 2, 16 * MIB, None)
        assert judge_redo(GuardState(), idle, overwrites=True) == (GuardState(), [])
        idle = replace(idle, bytes_per_s=0.0)
        assert judge_redo(GuardState(), idle, overwrites=True) == (GuardState(), [])
        begins_to_write = replace(idle, bytes_per_s=MIB)
        assert judge_redo(GuardState(), begins_to_write, overwrites=True)[0].lifted
        # A donor keeps what is written, whether or not more comes.
        assert judge_redo(GuardState(), idle, overwrites=False)[0].lifted

    def test_after_seconds_without_an_answer_it_may_be_writing_a_burst(self) -> None:
        idle = RedoLead(0, 0, 200 * MIB, 0.0, SILENCE_SECONDS)
        assert not judge_redo(GuardState(), idle, overwrites=True)[0].lifted
        silent = replace(idle, age_s=SILENCE_SECONDS + 0.1)
        assert judge_redo(GuardState(), silent, overwrites=True)[0].lifted
        words = in_words(GuardNews.LIFTED, silent, overwrites=True)
        assert "has not shown its redo log for 3 s, and overwrites it after 200.0 MiB" in words
        # A large log has room for longer.
        large = replace(silent, capacity=1024 * MIB)
        assert not judge_redo(GuardState(), large, overwrites=True)[0].lifted
        assert judge_redo(GuardState(), replace(large, age_s=16.0), overwrites=True)[0].lifted

    def test_each_change_is_said_once(self) -> None:
        state, news = GuardState(), []
        for most in (60, 70, 90, 95, 20, 20):
            state, found = judge_redo(state, lead(most), overwrites=True)
            news += found
        assert news == [GuardNews.LIFTED, GuardNews.NEAR, GuardNews.LIMITED]

    def test_a_loss_is_said_once_it_is_certain(self) -> None:
        state, news = judge_redo(GuardState(), lead(109, least=98), overwrites=True)
        assert GuardNews.LOST not in news
        state, news = judge_redo(state, lead(112, least=101), overwrites=True)
        assert news == [GuardNews.LOST]
        assert judge_redo(state, lead(10), overwrites=True)[0].lost

    def test_redo_that_the_instance_keeps_is_never_lost(self) -> None:
        state, news = judge_redo(GuardState(), lead(500, least=500), overwrites=False)
        assert (state.lifted, news) == (True, [GuardNews.LIFTED])

    def test_the_words_say_what_to_do(self) -> None:
        words = in_words(GuardNews.NEAR, lead(90), overwrites=True)
        assert "90.0 MiB of redo are not copied yet" in words
        assert words.endswith("raise innodb_log_file_size")


class TestRace:
    def test_what_has_arrived_is_counted_from_the_checkpoint_before_it(self) -> None:
        race = Race(OVERWRITTEN)
        race.begin(RedoSeen(written=1000, checkpoint=400, capacity=LOG))
        race.receive(500)
        found = race.lead(RedoSeen(written=60 * MIB, checkpoint=None, capacity=LOG), 0)
        assert found == RedoLead(60 * MIB - 900 - TOOL_BUFFER_BYTES, 60 * MIB - 900, LOG, None)

    def test_what_the_tool_reads_before_it_reports_that_it_copies_counts(self) -> None:
        race = Race(OVERWRITTEN)
        race.begin(None)
        assert race.lead(RedoSeen(1000, 400, LOG), 0) == RedoLead(0, 600, LOG, None)
        # It loads tables for a minute meanwhile, and the checkpoint moves on.
        later = RedoSeen(90 * MIB, 60 * MIB, LOG)
        found = race.lead(later, 0)
        assert found is not None
        assert found.most == 90 * MIB - 400
        race.read_first()
        found = race.lead(later, 0)
        assert found is not None
        assert found.most == 90 * MIB - 1000

    def test_the_tools_own_log_may_know_better(self) -> None:
        race = Race(OVERWRITTEN)
        race.begin(RedoSeen(1000, 400, LOG))
        race.read_line("Retrying read of log at LSN=5000")
        race.read_line(">> log scanned up to (4000)")
        found = race.lead(RedoSeen(6000, None, LOG), 0)
        assert found is not None
        assert found.most == 1000

    def test_there_is_none_before_it_begins_and_after_it_ends(self) -> None:
        race, redo = Race(OVERWRITTEN), RedoSeen(1000, 400, LOG)
        assert race.lead(redo, 0) is None
        race.begin(redo)
        assert race.lead(redo, 0) is not None
        race.end()
        assert race.lead(redo, 0) is None

    def test_a_log_that_is_seen_late_is_counted_from_then(self) -> None:
        race = Race(OVERWRITTEN)
        race.begin(None)
        race.receive(100)
        assert race.lead(None, 0) is None
        assert race.is_unseen
        assert race.lead(RedoSeen(1000, 400, LOG), 0) == RedoLead(0, 600, LOG, None)
        race.receive(100)
        assert race.lead(RedoSeen(1000, 400, LOG), 0) == RedoLead(0, 500, LOG, None)

    def test_a_donor_keeps_what_is_written_from_the_page_copy_on(self) -> None:
        race = Race(PaceProfile(race=RedoRace.KEPT))
        race.begin(RedoSeen(1000, None, LOG))
        assert race.lead(RedoSeen(1300, None, LOG), 0) == RedoLead(300, 300, LOG)
