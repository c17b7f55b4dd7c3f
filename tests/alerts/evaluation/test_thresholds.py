"""Which of several settings holds for a subject?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.evaluation.thresholds import (
    EffectiveSettings,
    RuleOverride,
    SettingsBook,
    load_settings,
    threshold_faults,
)
from alerts.facts.subject import Subject
from alerts.models import RuleSetting
from alerts.rules import RULES
from alerts.states import Severity
from tests.alerts.fleet import make_instance, make_schedule

FULL = RULES["full_too_old"]
SHOP = Subject(
    "instance:1", "shop", instance_id=1, group_ids=frozenset({7}), schedule_ids=frozenset({5})
)


def change(warning: float | None, **scope: int) -> RuleOverride:
    return RuleOverride(FULL.name, thresholds={"warning": warning}, **scope)  # type: ignore[arg-type]


FOR_ALL, GROUP, SCHEDULE, INSTANCE = (
    change(1),
    change(2, group_id=7),
    change(3, schedule_id=5),
    change(4, instance_id=1),
)


def held(*changes: RuleOverride, subject: Subject = SHOP) -> EffectiveSettings:
    return SettingsBook(changes).settings_of(FULL, subject)


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ([], 7),
        ([FOR_ALL], 1),
        ([GROUP, FOR_ALL], 2),
        ([SCHEDULE, GROUP, FOR_ALL], 3),
        ([INSTANCE, SCHEDULE, GROUP, FOR_ALL], 4),
        ([FOR_ALL, GROUP, SCHEDULE, INSTANCE], 4),
        ([change(9, instance_id=2), change(9, group_id=8), change(9, schedule_id=6)], 7),
        ([change(8, group_id=7), GROUP], 2),
        ([change(None, instance_id=1)], None),
    ],
)
def test_the_narrowest_counts(changes: list[RuleOverride], warning: float | None) -> None:
    assert held(*changes).limits.number("warning") == warning


def test_a_null_leaves_what_is_wider() -> None:
    wide = RuleOverride(FULL.name, severity=40, pending_for=timedelta(hours=1), enabled=False)
    narrow = RuleOverride(FULL.name, instance_id=1, thresholds={"critical": 9})
    settings = held(wide, narrow)
    assert (settings.severity, settings.enabled) == (Severity.EMERGENCY, False)
    assert settings.pending_for == timedelta(hours=1)
    assert dict(settings.limits.values) == {"warning": 7, "critical": 9}


def test_a_planned_run_goes_by_its_own_schedule_only() -> None:
    run = Subject("x", "x", instance_id=1, schedule_id=6, schedule_ids=frozenset({5, 6}))
    assert held(SCHEDULE, subject=run).limits.number("warning") == 7
    assert held(change(3, schedule_id=6), subject=run).limits.number("warning") == 3


def test_a_threshold_no_rule_has_is_left_out() -> None:
    unknown = RuleOverride(FULL.name, thresholds={"sometimes": 3})
    assert "sometimes" not in held(unknown, RuleOverride("no_such_rule")).limits.values


@pytest.mark.django_db
def test_all_are_read_in_one_query() -> None:
    orders = make_instance()
    RuleSetting.objects.create(rule=FULL.name, instance=orders, thresholds={"warning": 3})
    RuleSetting.objects.create(rule=FULL.name, schedule=make_schedule(), enabled=False)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        book = load_settings()
    subject = Subject("instance", "orders-1", instance_id=orders.pk)
    assert book.settings_of(FULL, subject).limits.length("warning") == timedelta(days=3)
    assert len(queries) == 1


@pytest.mark.parametrize(
    ("rule", "thresholds", "fault"),
    [
        (FULL.name, {"warning": 3, "critical": None}, ""),
        (FULL.name, {"warnings": 3}, "full_too_old has no threshold named warnings"),
        (FULL.name, {"warning": -1}, "warning: -1 must be a number, 0 or more, or null"),
        (FULL.name, {"warning": True}, "warning: True must be a number, 0 or more, or null"),
        (FULL.name, {"warning": "3"}, "warning: '3' must be a number, 0 or more, or null"),
        (FULL.name, [3], "thresholds must be an object of names and numbers"),
        ("nonsense", {}, "no rule is named nonsense"),
    ],
)
def test_it_refuses_thresholds_a_rule_has_not(rule: str, thresholds: object, fault: str) -> None:
    assert list(threshold_faults(rule, thresholds)) == ([fault] if fault else [])
