"""Each control: met, not met and unknown, at its edges."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from backups.evidence_report.controls import (
    Control,
    ControlFacts,
    GuardedRepository,
    KeptBackup,
    judge_controls,
)
from tests.monitor.rows import T0

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
BACKUP = KeptBackup("b", T0, copies=2, encrypted=2, keep_for=30 * DAY)
WELL = ControlFacts(
    since=T0,
    at=T0 + 2 * DAY,
    backups_at=[T0 - HOUR, T0 + DAY - HOUR, T0 + 2 * DAY - HOUR],
    known_since=T0 - 90 * DAY,
    longest_gap=DAY,
    drilled_within=35 * DAY,
    backups=[BACKUP],
    repositories=[GuardedRepository("main", DAY)],
    drilled_at=T0,
    spread=[("three copies", True, "three")],
)


def judged(name: str, **changed: object) -> Control:
    facts = replace(WELL, **changed)  # type: ignore[arg-type]  # each case names real fields
    (control,) = [each for each in judge_controls(facts) if each.name == name]
    return control


@pytest.mark.parametrize(
    ("name", "changed", "met"),
    [
        ("frequency", {}, True),
        ("frequency", {"longest_gap": DAY - timedelta(seconds=1)}, False),
        ("frequency", {"backups_at": []}, False),
        ("frequency", {"scheduled": False}, False),
        # One before the month counts, and what came before the instance was known does not.
        ("frequency", {"backups_at": [T0 + 25 * HOUR]}, False),
        ("frequency", {"backups_at": [T0 + 25 * HOUR], "known_since": T0 + 2 * HOUR}, True),
        ("retention", {}, True),
        ("retention", {"backups": [replace(BACKUP, gone_at=T0 + 30 * DAY)]}, True),
        ("retention", {"backups": [replace(BACKUP, gone_at=T0 + 29 * DAY)]}, False),
        ("retention", {"backups": [replace(BACKUP, keep_for=None)]}, None),
        ("encryption", {}, True),
        ("encryption", {"backups": [replace(BACKUP, encrypted=1)]}, False),
        ("encryption", {"backups": []}, None),
        ("copies", {}, True),
        ("copies", {"spread": [("three copies", None, "unknown")]}, None),
        ("proven", {}, True),
        ("proven", {"drilled_within": 2 * DAY}, True),
        ("proven", {"drilled_within": 2 * DAY - HOUR}, False),
        ("proven", {"drilled_at": None}, False),
        ("deletion guarded", {}, True),
        ("deletion guarded", {"repositories": []}, None),
        ("deletion guarded", {"repositories": [GuardedRepository("main", DAY * 0)]}, False),
        (
            "deletion guarded",
            {"repositories": [GuardedRepository("main", DAY * 0, two_admins=True)]},
            True,
        ),
    ],
)
def test_a_control(name: str, changed: dict[str, object], met: bool | None) -> None:
    assert judged(name, **changed).met is met


def test_what_was_found_is_said() -> None:
    assert judged("frequency").found == (
        "the longest time without one was 1 d 0 h, from 2026-03-02 00:00 UTC"
    )
    assert judged("deletion guarded").found == "main: a delay of 1 d 0 h"
    early = judged("retention", backups=[replace(BACKUP, gone_at=T0 + DAY)])
    assert early.found == "deleted earlier: b"
