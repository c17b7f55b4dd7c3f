"""Do the rules about recovery objectives find what they are for, and nothing else?"""

from __future__ import annotations

from typing import Any

import pytest

from tests.alerts.facts import NOW, D, H, M, S, ask_rule

RPO = {"rpo": H}


def old(kind: str, age: Any) -> dict[str, Any]:
    return {"last_success": {kind: NOW - age}}


CASES: list[tuple[str, dict[str, Any], bool]] = [
    ("objective_missed", {"rpo": None, **old("full", 30 * D)}, False),
    ("objective_missed", RPO | old("full", 60 * M), False),
    ("objective_missed", RPO | old("full", 60 * M + S), True),
    ("objective_missed", RPO | {"archived": True, "recoverable_to": NOW, **old("full", D)}, False),
    (
        "objective_missed",
        RPO | {"archived": True, "recoverable_to": NOW - 2 * H, **old("full", D)},
        True,
    ),
    ("objective_missed", RPO | {"longest_pause": D}, True),
    ("objective_missed", RPO | {"longest_pause": 60 * M}, False),
    ("objective_missed", RPO | {"longest_pause": D, "archived": True}, False),
    ("objective_missed", RPO | {"longest_pause": D, "last_success": {}}, False),
    ("recovery_too_slow", {}, False),
    ("recovery_too_slow", {"rto_level": "missed"}, True),
    ("recovery_too_slow", {"rto_level": "missed", "reaches": False}, False),
    ("recovery_too_slow", {"rto_level": "missed", "rto": None}, False),
    ("recovery_too_slow", {"rto_level": "unknown"}, False),
    ("objective_trend", {}, False),
    ("objective_trend", {"rto_level": "at_risk", "rto_missed_from": NOW.date()}, True),
    ("objective_trend", {"rpo_level": "at_risk", "rpo_missed_from": NOW.date()}, True),
    # At risk by the plan, which another rule is about.
    ("objective_trend", {"rpo_level": "at_risk"}, False),
    ("objective_trend", {"rto_level": "missed", "rto_missed_from": NOW.date()}, False),
    ("objective_unknown", {}, False),
    ("objective_unknown", {"rto_level": "unknown"}, True),
    ("objective_unknown", {"rto_level": "unknown", "rto": None}, False),
]


@pytest.mark.parametrize(("name", "fields", "found"), CASES)
def test_it_finds_what_it_is_for(name: str, fields: dict[str, Any], found: bool) -> None:
    assert (ask_rule(name, **fields) is not None) == found


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        (
            "objective_missed",
            RPO | {"longest_pause": D},
            "no binlogs are archived, and planned backups are up to 1 d 0 h apart; the objective "
            "is 1 h 00 min",
        ),
        (
            "objective_missed",
            RPO | {"archived": True, "recoverable_to": NOW - 3 * H, **old("full", D)},
            "recoverable only to 2026-03-02 09:00 UTC, 3 h 00 min ago; the objective is 1 h 00 min",
        ),
        (
            "recovery_too_slow",
            {"rto_level": "missed", "rto": 20 * M},
            "a recovery takes 30 min 00 s to 40 min 00 s, from 5 restores of this instance; the "
            "objective is 20 min 00 s",
        ),
        (
            "objective_trend",
            {"rto_level": "at_risk", "rto_missed_from": NOW.date()},
            "by the trend of the last days it will miss the RTO of 1 h 00 min from 2026-03-02 on",
        ),
        (
            "objective_unknown",
            {"rto_level": "unknown", "recovery": "never measured: prepare"},
            "whether a recovery takes longer than 1 h 00 min is unknown: never measured: prepare",
        ),
    ],
)
def test_it_says_what_is_wrong(name: str, fields: dict[str, Any], words: str) -> None:
    finding = ask_rule(name, **fields)
    assert finding is not None
    assert finding.message == words
