"""Curves of bursts: a copy that is slowed keeps its redo, whatever the instance begins to write."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backups.pacing.guard import REACTION_SECONDS, GuardState, judge_redo
from backups.pacing.observation import RedoSeen
from backups.pacing.profile import PaceProfile, RedoRace
from backups.pacing.race import Race
from backups.pacing.write_rate import WriteRate

MIB = 1 << 20
# The tool sends redo in such pieces, and reads it this fast once what is before it was taken.
PIECE, TOOL_BYTES_PER_S = 10 * MIB, 100 * MIB
STEP = 0.1
# When the copy begins.
BEGIN = 1.0

# How much is written until a moment.
Written = Callable[[float], float]


def steady(mib_per_s: float, since: float = 0.0) -> Written:
    return lambda at: max(0.0, at - since) * mib_per_s * MIB


def waves(mib_per_s: float, seconds: float) -> Written:
    """Writes for so long, and pauses for as long."""

    def written(at: float) -> float:
        whole, rest = divmod(at, 2 * seconds)
        return (whole * seconds + min(rest, seconds)) * mib_per_s * MIB

    return written


def slowed_copy(capacity: int, written: Written, seconds: float = 20.0) -> tuple[float, float]:
    """Return the worst share not read by the tool, and for which share of the time it was slowed.

    While it is slowed it reads no redo at all: its pipe is full of pages. The probe was connected
    before the tool.
    """

    def seen(at: float) -> RedoSeen:
        return RedoSeen(int(written(at)), None, capacity, at)

    race, state = Race(PaceProfile(race=RedoRace.OVERWRITTEN)), GuardState()
    race.lead(seen(BEGIN - STEP), BEGIN)
    race.begin(seen(BEGIN))
    begins = read = written(BEGIN)
    sent, lifted_for, worst, slowed = 0, REACTION_SECONDS, 0.0, 0
    for step in range(1, int(seconds / STEP)):
        at = BEGIN + step * STEP
        if lifted_for > REACTION_SECONDS * 0.6:
            read = min(written(at), read + TOOL_BYTES_PER_S * STEP)
        worst = max(worst, (written(at) - read) / capacity)
        arrived = int((read - begins) // PIECE) * PIECE
        race.receive(arrived - sent)
        sent = arrived
        # The controller acts on the look before.
        if (lead := race.lead(seen(at - STEP), at)) is not None:
            state, _ = judge_redo(state, lead, overwrites=True)
        lifted_for = lifted_for + STEP if state.lifted else 0.0
        slowed += not state.lifted
    return worst, slowed / (seconds / STEP)


CURVES: dict[str, tuple[int, Written]] = {
    "small log, writes all the time": (16, steady(30)),
    "small log, waves": (16, waves(20, 2.0)),
    "usual log, a burst out of nothing": (96, steady(80, since=5)),
    "usual log, waves": (96, waves(60, 3.0)),
    "large log, very fast": (512, steady(90)),
}


@pytest.mark.parametrize("name", CURVES)
def test_no_burst_overtakes_a_copy_that_is_slowed(name: str) -> None:
    mib, written = CURVES[name]
    worst, _ = slowed_copy(mib * MIB, written)
    assert worst < 1


def test_a_log_that_is_large_enough_does_not_keep_a_copy_from_being_slowed() -> None:
    assert slowed_copy(1024 * MIB, steady(10))[1] > 0.9
    assert slowed_copy(96 * MIB, steady(2))[1] > 0.8


def test_a_small_log_that_nobody_writes_does_not_either() -> None:
    assert slowed_copy(16 * MIB, steady(0))[1] > 0.9


class TestWriteRate:
    def test_a_burst_counts_at_once_and_for_seconds(self) -> None:
        rate = WriteRate()
        rate.see(RedoSeen(0, None, MIB, 10.0))
        assert rate.bytes_per_s is None
        rate.see(RedoSeen(100, None, MIB, 10.5))
        assert rate.bytes_per_s == 200
        rate.see(RedoSeen(100, None, MIB, 13.5))
        assert rate.bytes_per_s == 100

    def test_a_look_counts_once(self) -> None:
        rate = WriteRate()
        rate.see(RedoSeen(0, None, MIB, 10.0))
        rate.see(RedoSeen(0, None, MIB, 10.0))
        assert rate.bytes_per_s is None
