"""Do alerts open, change and end as the fleet does, each once?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from alerts.evaluation import evaluate
from alerts.evaluation.evaluate import evaluate_all, evaluate_changed
from alerts.evaluation.transitions import acknowledge
from alerts.models import Alert, AlertTransition, EvaluationCursor, RuleSetting
from alerts.rules import RULES
from alerts.states import AlertStatus, Severity
from backups.models import Instance, Job
from backups.states import JobStatus, OccurrenceStatus
from tests.alerts.facts import broken
from tests.alerts.fleet import (
    T0,
    D,
    H,
    M,
    make_backup,
    make_instance,
    make_job,
    make_occurrence,
    make_repository,
    make_schedule,
)

pytestmark = pytest.mark.django_db
TICK = timedelta(seconds=10)


@pytest.fixture
def orders() -> Instance:
    """An instance that is covered and has been backed up: nothing is wrong with it."""
    orders = make_instance()
    make_schedule("nightly", orders)
    make_backup(orders, T0 - H)
    return orders


def alerts_of(rule: str) -> list[Alert]:
    return list(Alert.objects.filter(rule=rule).order_by("id"))


def only(rule: str) -> Alert:
    (alert,) = alerts_of(rule)
    return alert


def moves(alert: Alert) -> list[tuple[str, str]]:
    rows = AlertTransition.objects.filter(alert=alert).order_by("id")
    return list(rows.values_list("old_status", "new_status"))


def fail(instance: Instance, at: datetime = T0) -> Job:
    return make_job(instance, JobStatus.FAILED, at, error="the server went away")


def test_all_is_well(orders: Instance) -> None:
    evaluate_all(T0)
    assert not Alert.objects.exists()


def test_a_failed_backup_is_an_emergency_until_one_succeeds(orders: Instance) -> None:
    job = fail(orders)
    evaluate_all(T0 + TICK)
    alert = only("job_failed")
    assert (alert.status, alert.severity) == (AlertStatus.FIRING, Severity.EMERGENCY)
    assert (alert.instance, alert.job, alert.fired_at) == (orders, job, T0 + TICK)

    make_backup(orders, T0 + H)
    evaluate_all(T0 + H)
    alert = only("job_failed")
    assert (alert.status, alert.resolved_at, alert.open_key) == ("resolved", T0 + H, None)
    assert moves(alert) == [("", "firing"), ("firing", "resolved")]


def test_a_scheduled_backup_that_is_refused_is_an_emergency_in_its_own_words(
    orders: Instance,
) -> None:
    occurrence = make_occurrence(orders.schedules.get(), orders, OccurrenceStatus.REFUSED, T0)
    error = "preflight refused: room in main: 2 GiB needed; 1 GiB free"
    make_job(
        orders, JobStatus.REFUSED, T0 + M, occurrence=occurrence, error=error,
        failed_stage="preflight", hint="Purge backups.",
    )  # fmt: skip
    evaluate_all(T0 + M)
    alert = only("job_refused")
    assert (alert.status, alert.severity) == (AlertStatus.FIRING, Severity.EMERGENCY)
    assert alert.message.endswith(
        "full backup was refused in preflight: room in main: 2 GiB needed; 1 GiB free"
    )
    assert alert.hint == "Purge backups."
    assert not alerts_of("job_failed")


def test_asked_again_it_stays_one_alert(orders: Instance) -> None:
    fail(orders)
    for minute in range(3):
        evaluate_all(T0 + minute * M)
    assert moves(only("job_failed")) == [("", "firing")]
    assert only("job_failed").last_found_at == T0 + 2 * M


def test_an_old_failure_stands_however_long(orders: Instance) -> None:
    fail(orders)
    evaluate_all(T0)
    evaluate_all(T0 + 200 * D)
    assert only("job_failed").status == AlertStatus.FIRING


def test_a_new_one_after_a_resolved_one_is_another_alert(orders: Instance) -> None:
    fail(orders)
    evaluate_all(T0)
    make_backup(orders, T0 + H)
    evaluate_all(T0 + H)
    fail(orders, T0 + 2 * H)
    evaluate_all(T0 + 2 * H)
    assert [alert.status for alert in alerts_of("job_failed")] == ["resolved", "firing"]


def test_what_was_acknowledged_and_happens_again_fires_again(orders: Instance) -> None:
    fail(orders)
    evaluate_all(T0)
    assert acknowledge(only("job_failed"), by=None, comment="disk is ordered", now=T0 + M)
    evaluate_all(T0 + 2 * M)
    assert only("job_failed").status == AlertStatus.ACKNOWLEDGED

    fail(orders, T0 + D)
    evaluate_all(T0 + D)
    alert = only("job_failed")
    assert alert.status == AlertStatus.FIRING
    assert alert.comment == "disk is ordered"
    assert "2 since the last success" in alert.message
    assert alert.first_facts["failures_since_success"] == 1


def test_a_retry_makes_it_milder_and_its_end_worse(orders: Instance) -> None:
    schedule = orders.schedules.get()
    occurrence = make_occurrence(schedule, orders, OccurrenceStatus.DUE, T0)
    job = make_job(orders, JobStatus.FAILED, T0 + M, occurrence=occurrence)
    evaluate_all(T0 + M)
    assert only("job_failed").severity == Severity.WARNING
    assert only("job_failed").schedule == schedule

    assert job.occurrence == occurrence
    type(occurrence).objects.filter(pk=occurrence.pk).update(status="failed")
    evaluate_all(T0 + 2 * M)
    alert = only("job_failed")
    assert alert.severity == Severity.EMERGENCY
    assert moves(alert) == [("", "firing"), ("firing", "firing")]


def test_a_lost_job_is_found_and_a_cancelled_one_is_not(orders: Instance) -> None:
    make_job(orders, JobStatus.CANCELLED, T0)
    evaluate_all(T0)
    assert not Alert.objects.exists()
    make_job(orders, JobStatus.LOST, T0 + M)
    evaluate_all(T0 + M)
    assert only("job_lost").severity == Severity.EMERGENCY


def test_a_full_repository_is_the_cause(orders: Instance) -> None:
    main = make_repository()
    job = make_job(orders, JobStatus.FAILED, T0, error="/srv/main/x could not be written")
    job.repositories.set([main, make_repository("other")])
    evaluate_all(T0)
    assert only("job_failed").cause == f"repository:{main.pk}"
    assert only("job_failed").repository == main


def test_late_then_missed_then_made_good(orders: Instance) -> None:
    schedule = orders.schedules.get()
    occurrence = make_occurrence(schedule, orders, OccurrenceStatus.DUE, T0)
    rows = type(occurrence).objects.filter(pk=occurrence.pk)
    evaluate_all(T0 + 15 * M - TICK)
    assert not Alert.objects.exists()

    rows.update(reason="no_worker", late_at=T0 + 15 * M)
    evaluate_changed(T0 + 15 * M)
    evaluate_all(T0 + 15 * M)
    assert only("occurrence_late").cause == "queue:copy"

    rows.update(status="missed", status_since=T0 + 4 * H)
    evaluate_changed(T0 + 4 * H)
    assert only("occurrence_late").status == AlertStatus.RESOLVED
    missed = only("occurrence_missed")
    assert (missed.status, missed.severity) == (AlertStatus.FIRING, Severity.EMERGENCY)
    assert "no worker takes jobs from the queue" in missed.message

    make_occurrence(schedule, orders, OccurrenceStatus.SUCCEEDED, T0 + D)
    evaluate_all(T0 + D)
    assert only("occurrence_missed").status == AlertStatus.RESOLVED


def test_a_backup_by_hand_makes_a_missed_run_good(orders: Instance) -> None:
    make_occurrence(orders.schedules.get(), orders, OccurrenceStatus.MISSED, T0)
    evaluate_all(T0 + 4 * H)
    make_backup(orders, T0 + 5 * H)
    evaluate_all(T0 + 5 * H)
    assert only("occurrence_missed").status == AlertStatus.RESOLVED


def test_a_pending_alert_fires_when_its_finding_stood_for_long_enough() -> None:
    make_backup(make_instance(), T0)
    evaluate_all(T0)
    assert only("not_covered").status == AlertStatus.PENDING
    evaluate_changed(T0 + 5 * M - TICK)
    assert only("not_covered").status == AlertStatus.PENDING
    evaluate_changed(T0 + 5 * M)
    assert moves(only("not_covered")) == [("", "pending"), ("pending", "firing")]


def test_a_pending_alert_that_is_over_was_never_notified() -> None:
    orders = make_instance()
    make_backup(orders, T0)
    evaluate_all(T0)
    make_schedule("nightly", orders)
    evaluate_all(T0 + M)
    alert = only("not_covered")
    assert (alert.status, alert.fired_at) == (AlertStatus.RESOLVED, None)


def test_flapping_is_damped_and_counted(orders: Instance) -> None:
    row = Instance.objects.filter(pk=orders.pk)
    row.update(unreachable_since=T0, unreachable_reason="refused")
    evaluate_all(T0 + 2 * M)
    row.update(unreachable_since=None)
    evaluate_all(T0 + 3 * M)
    assert only("instance_unreachable").clear_since == T0 + 3 * M

    row.update(unreachable_since=T0 + 4 * M)
    evaluate_all(T0 + 7 * M)
    alert = only("instance_unreachable")
    assert (alert.status, alert.recurrences, alert.clear_since) == (AlertStatus.FIRING, 1, None)

    row.update(unreachable_since=None)
    evaluate_all(T0 + 8 * M)
    evaluate_changed(T0 + 13 * M - TICK)
    assert only("instance_unreachable").status == AlertStatus.FIRING
    evaluate_changed(T0 + 13 * M)
    assert moves(only("instance_unreachable")) == [("", "firing"), ("firing", "resolved")]


def test_worse_after_it_was_acknowledged_fires_again(orders: Instance) -> None:
    Instance.objects.filter(pk=orders.pk).update(unreachable_since=T0)
    evaluate_all(T0 + 2 * M)
    acknowledge(only("instance_unreachable"), by=None, comment="", now=T0 + 3 * M)
    evaluate_all(T0 + 10 * M)
    alert = only("instance_unreachable")
    assert (alert.status, alert.severity) == (AlertStatus.FIRING, Severity.CRITICAL)


def test_a_disabled_instance_and_a_rule_that_is_off_end_their_alerts(orders: Instance) -> None:
    fail(orders)
    evaluate_all(T0)
    RuleSetting.objects.create(rule="job_failed", enabled=False)
    evaluate_all(T0 + M)
    assert only("job_failed").status == AlertStatus.RESOLVED

    RuleSetting.objects.all().delete()
    evaluate_all(T0 + 2 * M)
    Instance.objects.update(enabled=False)
    evaluate_all(T0 + 3 * M)
    assert [alert.status for alert in alerts_of("job_failed")] == ["resolved", "resolved"]


def test_a_success_is_recorded_once_and_only_when_it_is_new(orders: Instance) -> None:
    evaluate_changed(T0)
    assert alerts_of("backup_succeeded") == []
    backup = make_backup(orders, T0 + M)
    for seconds in (61, 71, 81):
        evaluate_changed(T0 + timedelta(seconds=seconds))
    alert = only("backup_succeeded")
    assert (alert.job, alert.status) == (backup.made_by, AlertStatus.RESOLVED)
    assert moves(alert) == [("", "firing"), ("firing", "resolved")]


def test_what_changed_is_found_without_a_sweep(orders: Instance) -> None:
    evaluate_changed(T0)
    fail(orders, T0 + M)
    evaluate_changed(T0 + M + TICK)
    assert only("job_failed").status == AlertStatus.FIRING


@pytest.mark.parametrize(
    ("seconds", "happens", "moved"), [(299, False, False), (300, False, True), (10, True, True)]
)
def test_the_cursor_moves_where_something_happened_or_five_minutes_passed(
    orders: Instance, seconds: int, happens: bool, moved: bool
) -> None:
    evaluate_changed(T0)
    before = EvaluationCursor.objects.get().moved_at
    if happens:
        fail(orders, T0)
    evaluate_changed(T0 + timedelta(seconds=seconds))
    assert (EvaluationCursor.objects.get().moved_at > before) is moved


def test_an_evaluation_that_began_earlier_ends_nothing_a_later_one_found(
    orders: Instance,
) -> None:
    Alert.objects.create(
        rule="job_failed", subject=f"instance:{orders.pk}/backup-full", instance=orders,
        open_key="k", severity=40, status="firing", opened_at=T0 + M, fires_at=T0,
        last_found_at=T0 + M,
    )  # fmt: skip
    evaluate_all(T0)
    assert only("job_failed").status == AlertStatus.FIRING


def test_a_broken_rule_is_reported_and_stops_no_other(
    orders: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(orders)
    evaluate_all(T0)
    whole = RULES["job_failed"]
    monkeypatch.setitem(RULES, "job_failed", replace(whole, check=broken))
    Instance.objects.update(unreachable_since=T0)
    evaluate_all(T0 + 2 * M)
    assert "ZeroDivisionError on orders-1" in only("rule_broken").message
    assert only("job_failed").status == AlertStatus.FIRING
    assert only("instance_unreachable").status == AlertStatus.FIRING

    monkeypatch.setitem(RULES, "job_failed", whole)
    evaluate_changed(T0 + 3 * M)
    assert only("rule_broken").status == AlertStatus.FIRING
    evaluate_all(T0 + 4 * M)
    assert only("rule_broken").status == AlertStatus.RESOLVED


def test_an_observed_failure_that_is_read_late_is_found_without_a_sweep(orders: Instance) -> None:
    evaluate_changed(T0)
    Job.objects.create(
        instance=orders, operation="backup", kind="full", origin="observed", status="failed",
        started_at=T0 - 3 * H, ended_at=T0 - 10 * M,
    )  # fmt: skip
    evaluate_changed(T0 + TICK)
    assert only("job_failed").status == AlertStatus.FIRING


def test_facts_that_cannot_be_read_are_reported_and_stop_no_others(
    orders: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(orders)
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "load_site_facts", lambda now: 1 / 0)
        evaluate_all(T0)
    assert only("job_failed").status == AlertStatus.FIRING
    assert "facts of the site raised ZeroDivisionError" in only("rule_broken").message
    evaluate_all(T0 + M)
    assert only("rule_broken").status == AlertStatus.RESOLVED
