"""How often is it stored that a problem is still there, and does that end an alert too early?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts.evaluation.apply import apply_results
from alerts.evaluation.evaluate import evaluate_changed
from alerts.evaluation.findings import RuleResults, check_rules
from alerts.evaluation.thresholds import load_settings
from alerts.facts import load_site_facts
from alerts.models import Alert
from alerts.states import AlertStatus
from tests.alerts.fleet import T0, H, make_repository

pytestmark = pytest.mark.django_db
TICK = timedelta(seconds=10)


def only(rule: str) -> Alert:
    return Alert.objects.get(rule=rule)


def test_what_is_found_again_is_stored_once_a_minute() -> None:
    make_repository(encrypted=False)
    stored = []
    for tick in range(13):
        evaluate_changed(T0 + tick * TICK)
        stored.append(only("unencrypted").last_found_at - T0)
    assert stored == [0 * TICK] * 6 + [6 * TICK] * 6 + [12 * TICK]


def test_a_finding_that_is_not_stored_is_found_once_more_before_its_alert_ends() -> None:
    repository = make_repository(encrypted=False)
    evaluate_changed(T0)
    # What an evaluation concludes that read the rows before the repository lost its encryption.
    old, book = RuleResults(), load_settings()
    open_alerts = Alert.objects.filter(status=AlertStatus.FIRING)

    def recheck() -> RuleResults:
        return check_rules(load_site_facts(T0 + TICK), book)

    apply_results(old, open_alerts, T0 + TICK, recheck=recheck)
    assert only("unencrypted").status == AlertStatus.FIRING
    repository.encrypted = True
    repository.save()
    apply_results(old, open_alerts, T0 + TICK, recheck=recheck)
    assert only("unencrypted").status == AlertStatus.RESOLVED


def test_a_recovery_is_seen_at_once_however_new_the_finding() -> None:
    repository = make_repository(encrypted=False)
    evaluate_changed(T0)
    repository.encrypted = True
    repository.save()
    evaluate_changed(T0 + TICK)
    assert only("unencrypted").status == AlertStatus.RESOLVED


def test_a_rule_that_breaks_at_the_second_look_ends_nothing() -> None:
    make_repository(encrypted=False)
    evaluate_changed(T0)
    broken_by_now = RuleResults(broken={"unencrypted": "ZeroDivisionError"})
    open_alerts = Alert.objects.filter(status=AlertStatus.FIRING)
    apply_results(RuleResults(), open_alerts, T0 + TICK, recheck=lambda: broken_by_now)
    assert only("unencrypted").status == AlertStatus.FIRING


def test_a_clock_that_is_set_back_keeps_no_alert_open() -> None:
    repository = make_repository(encrypted=False)
    evaluate_changed(T0 + H)
    evaluate_changed(T0)
    assert only("unencrypted").last_found_at == T0
    repository.encrypted = True
    repository.save()
    evaluate_changed(T0 + TICK)
    assert only("unencrypted").status == AlertStatus.RESOLVED
