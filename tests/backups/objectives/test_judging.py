"""Is each level given at its exact edge, with its reason, and nothing guessed?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from backups.objectives.judging import ObjectiveFacts, PredictedRecovery, judge
from backups.objectives.narrowest import Objective, Objectives
from backups.states import ObjectiveLevel

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
S, M, H = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
NONE, MET, AT_RISK, UNKNOWN, MISSED = (
    ObjectiveLevel.NONE, ObjectiveLevel.MET, ObjectiveLevel.AT_RISK, ObjectiveLevel.UNKNOWN,
    ObjectiveLevel.MISSED,
)  # fmt: skip
RPO = Objectives(rpo=Objective(H, "all instances"))
RTO = Objectives(rto=Objective(H, "all instances"))
BASIS = "from 5 restores of this instance"


def taking(low: timedelta, middle: timedelta, high: timedelta) -> PredictedRecovery:
    return PredictedRecovery(low, middle, high, BASIS)


def level_of(objectives: Objectives, **facts: Any) -> tuple[ObjectiveLevel, str]:
    reached: dict[str, Any] = {"reached_at": NOW - M}
    judged = judge(ObjectiveFacts(NOW, objectives, **reached | facts))
    assert judged.level == (judged.rpo if objectives.rpo else judged.rto)
    return judged.level, judged.reasons[0]


@pytest.mark.parametrize(
    ("facts", "level", "words"),
    [
        ({"reached_at": NOW - H}, MET, "recoverable to 1 h 00 min ago"),
        ({"reached_at": NOW - H - S}, MISSED, "recoverable to 1 h 00 min ago"),
        ({"reached_at": NOW + H}, MET, "recoverable to 0 ms ago"),
        ({"reached_at": None}, MISSED, "nothing can be restored"),
        ({"longest_pause": H}, MET, ""),
        ({"longest_pause": H + S}, AT_RISK, "no binlogs are archived"),
        ({"longest_pause": H + S, "archived": True}, MET, ""),
        ({"rpo_missed_from": date(2026, 3, 9)}, AT_RISK, "will be missed from 2026-03-09 on"),
        ({"rto_missed_from": date(2026, 3, 9)}, MET, ""),
    ],
)
def test_the_recovery_point(facts: dict[str, Any], level: ObjectiveLevel, words: str) -> None:
    found, reason = level_of(RPO, **facts)
    assert found == level
    assert reason.startswith("RPO 1 h 00 min: ") and words in reason


@pytest.mark.parametrize(
    ("recovery", "level", "words"),
    [
        (taking(30 * M, 40 * M, H), MET, f"a recovery takes 30 min 00 s to 1 h 00 min, {BASIS}"),
        (taking(30 * M, 40 * M, H + S), UNKNOWN, "unknown: a recovery takes"),
        (taking(30 * M, H, 2 * H), UNKNOWN, "unknown: "),
        (taking(30 * M, H + S, 2 * H), MISSED, "a recovery takes 30 min 00 s to 2 h 00 min"),
        (PredictedRecovery(None, M, None, BASIS), UNKNOWN, f"1 min 00 s, measured once, {BASIS}"),
        (PredictedRecovery(basis="never measured: prepare"), UNKNOWN, "never measured: prepare"),
    ],
)
def test_the_recovery_time(recovery: PredictedRecovery, level: ObjectiveLevel, words: str) -> None:
    found, reason = level_of(RTO, recovery=recovery)
    assert found == level
    assert reason.startswith("RTO 1 h 00 min: ") and words in reason


def test_a_trend_matters_only_where_the_time_is_met() -> None:
    met, unknown = taking(M, 2 * M, 3 * M), taking(M, 2 * M, 2 * H)
    trend = {"rto_missed_from": date(2026, 3, 9)}
    assert level_of(RTO, recovery=met, **trend)[0] == AT_RISK
    assert level_of(RTO, recovery=unknown, **trend)[0] == UNKNOWN


def test_without_an_objective_nothing_is_judged() -> None:
    judged = judge(ObjectiveFacts(NOW, Objectives()))
    assert (judged.level, judged.reasons) == (NONE, ())


def test_of_both_the_worse_is_the_level() -> None:
    both = Objectives(RPO.rpo, RTO.rto)
    met = taking(M, 2 * M, 3 * M)
    for facts, level in (
        ({"reached_at": NOW - 2 * H, "recovery": met}, MISSED),
        ({"reached_at": NOW, "recovery": PredictedRecovery(basis="no")}, UNKNOWN),
        ({"reached_at": NOW, "recovery": met, "longest_pause": 2 * H}, AT_RISK),
        ({"reached_at": NOW, "recovery": met}, MET),
    ):
        judged = judge(ObjectiveFacts(NOW, both, **facts))  # type: ignore[arg-type]
        assert judged.level == level and len(judged.reasons) == 2
