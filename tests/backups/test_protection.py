from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backups.protection import Cover, Level, ProtectionFacts, Slip, judge

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
DAY = timedelta(days=1)
NIGHTLY = Cover("nightly", longest_wait=DAY)
FUTURE = "a backup or its proof is dated in the future: check the clocks"
GOOD = ProtectionFacts(now=T0, covers=[NIGHTLY], last_full_at=T0 - DAY, last_run="succeeded")
LITTLE = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("changed", "level", "reason"),
    [
        ({}, Level.PROTECTED, "covered by nightly"),
        ({"enabled": False}, Level.DISABLED, "disabled: it is not backed up"),
        ({"last_full_at": None}, Level.UNPROTECTED, "no full backup to restore from"),
        ({"covers": []}, Level.UNPROTECTED, "no schedule covers it"),
        ({"last_run": "failed"}, Level.AT_RISK, "last backup failed"),
        ({"last_run": "lost"}, Level.AT_RISK, "last backup was lost"),
        ({"last_run": "refused"}, Level.AT_RISK, "last backup was refused"),
        # A person stopped it: what was there before is as good as it was.
        ({"last_run": "cancelled"}, Level.PROTECTED, "covered by nightly"),
        (
            {"last_full_at": T0 - DAY - LITTLE},
            Level.AT_RISK,
            "newest full backup is older than 1 d 0 h",
        ),
        ({"slips": [Slip("nightly", "was missed")]}, Level.AT_RISK, "nightly was missed"),
        ({"slips": [Slip("nightly", "was refused")]}, Level.AT_RISK, "nightly was refused"),
        ({"slips": [Slip("nightly", "is late")]}, Level.AT_RISK, "nightly is late"),
        ({"slips": [Slip("nightly", "unreachable")]}, Level.UNKNOWN, "unreachable"),
        ({"unreachable": "timed out"}, Level.UNKNOWN, "unreachable: timed out"),
        ({"failed_proofs": ["restore test"]}, Level.AT_RISK, "restore test failed"),
        ({"proven_at": T0 - 90 * DAY}, Level.PROTECTED, "covered by nightly"),
        (
            {"proven_at": T0 - 90 * DAY - LITTLE},
            Level.AT_RISK,
            "no backup verified or restore-tested for 90 days",
        ),
        ({"last_full_at": T0 + DAY}, Level.AT_RISK, FUTURE),
        ({"proven_at": T0 + DAY}, Level.AT_RISK, FUTURE),
        ({"unusable_copies": "2 stored copies"}, Level.AT_RISK, "2 stored copies"),
        ({"covers": [replace(NIGHTLY, paused=True)]}, Level.AT_RISK, "its schedules are paused"),
        (
            {"history_fault": "denied"},
            Level.UNKNOWN,
            "backup history cannot be read: denied",
        ),
    ],
)
def test_each_reason(changed: dict[str, object], level: Level, reason: str) -> None:
    answer = judge(replace(GOOD, **changed))  # type: ignore[arg-type]
    assert (answer.level, answer.reasons[0]) == (level, reason)


def test_without_a_schedule_of_fulls_a_week_counts() -> None:
    covers = [Cover("hourly", makes_full=False, longest_wait=timedelta(hours=1))]
    for age, level in [(7 * DAY, Level.PROTECTED), (7 * DAY + LITTLE, Level.AT_RISK)]:
        facts = replace(GOOD, covers=covers, last_full_at=T0 - age)
        assert judge(facts).level is level


def test_without_a_schedule_of_fulls_its_longest_chain_counts() -> None:
    covers = [Cover("for ever", makes_full=False, longest_wait=8 * DAY), NIGHTLY]
    for cover, age in [(covers, DAY), (covers[:1], 8 * DAY)]:
        for more, level in [(timedelta(0), Level.PROTECTED), (LITTLE, Level.AT_RISK)]:
            facts = replace(GOOD, covers=cover, last_full_at=T0 - age - more)
            assert judge(facts).level is level


def test_what_is_bad_is_said_before_what_is_unknown() -> None:
    facts = replace(GOOD, unreachable="timed out", last_run="failed")
    assert judge(facts).level is Level.AT_RISK
    assert judge(replace(facts, last_full_at=None)).level is Level.UNPROTECTED


def test_backups_that_nobody_can_see_are_not_missing() -> None:
    facts = replace(GOOD, last_full_at=None, history_fault="denied")
    assert judge(facts).level is Level.UNKNOWN


def test_every_reason_of_a_level_is_given() -> None:
    answer = judge(ProtectionFacts(now=T0))
    assert answer.reasons == ("no full backup to restore from", "no schedule covers it")
