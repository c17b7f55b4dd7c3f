"""Can every move of an alert lose, and is there one open alert however many find the same?"""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase, TransactionTestCase

from alerts.evaluation.evaluate import evaluate_all
from alerts.evaluation.transitions import acknowledge, change_severity, fire, open_alerts, resolve
from alerts.models import Alert, AlertTransition
from alerts.states import ALERT_MOVES, AlertStatus, Severity
from backups.exceptions import IllegalTransition
from backups.states import JobStatus
from tests.alerts.fleet import T0, H, M, make_backup, make_instance, make_job, make_schedule


def new_alert(subject: str = "queue:copy", *, pending: timedelta = timedelta(0)) -> Alert:
    return Alert(
        rule="queue_without_worker", subject=subject, severity=Severity.WARNING, message="x",
        opened_at=T0, fires_at=T0 + pending, last_found_at=T0,
    )  # fmt: skip


def opened(**fields: timedelta) -> Alert:
    (alert,) = open_alerts([new_alert(**fields)])  # type: ignore[arg-type]
    return alert


class TransitionsTestCase(TestCase):
    def test_whoever_moves_second_loses(self) -> None:
        alert = opened()
        stale = Alert.objects.get(pk=alert.pk)
        self.assertTrue(resolve(alert, now=T0 + M, reason="over"))
        self.assertFalse(acknowledge(stale, by=None, comment="", now=T0 + M))
        self.assertFalse(resolve(stale, now=T0 + M, reason="over"))
        self.assertFalse(change_severity(stale, Severity.CRITICAL, now=T0 + M))
        self.assertEqual(AlertTransition.objects.filter(alert=alert).count(), 2)

    def test_a_move_no_table_lists_is_refused(self) -> None:
        alert = opened()
        resolve(alert, now=T0, reason="over")
        with self.assertRaises(IllegalTransition):
            fire(alert, now=T0)
        self.assertEqual(ALERT_MOVES[AlertStatus.RESOLVED], frozenset())

    def test_one_that_waits_is_pending_until_it_fires(self) -> None:
        alert = opened(pending=M)
        self.assertEqual((alert.status, alert.fired_at), (AlertStatus.PENDING, None))
        self.assertTrue(fire(alert, now=T0 + M))
        self.assertEqual(Alert.objects.get().fired_at, T0 + M)

    def test_acknowledging_says_who_and_why(self) -> None:
        alert, ada = opened(), User.objects.create_user("ada")
        self.assertTrue(acknowledge(alert, by=ada, comment="disk is ordered", now=T0 + M))
        alert.refresh_from_db()
        self.assertEqual((alert.acknowledged_by, alert.acknowledged_at), (ada, T0 + M))
        last = AlertTransition.objects.latest("id")
        self.assertEqual((last.actor, last.reason), ("ada", "disk is ordered"))

    def test_milder_keeps_the_acknowledgement_and_worse_does_not(self) -> None:
        alert = opened()
        acknowledge(alert, by=None, comment="", now=T0)
        self.assertTrue(change_severity(alert, Severity.NOTICE, now=T0))
        self.assertEqual(alert.status, AlertStatus.ACKNOWLEDGED)
        self.assertTrue(change_severity(alert, Severity.EMERGENCY, now=T0))
        self.assertEqual(Alert.objects.get().status, AlertStatus.FIRING)
        self.assertFalse(change_severity(alert, Severity.EMERGENCY, now=T0))

    def test_of_several_the_ones_nobody_had_are_opened(self) -> None:
        opened()
        made = open_alerts([new_alert(), new_alert("queue:transfer")])
        self.assertEqual([alert.subject for alert in made], ["queue:transfer"])
        self.assertEqual((Alert.objects.count(), AlertTransition.objects.count()), (2, 2))

    def test_nobody_was_notified_of_a_transition(self) -> None:
        resolve(opened(), now=T0, reason="over")
        self.assertEqual(set(AlertTransition.objects.values_list("routed_at", flat=True)), {None})


class RaceTestCase(TransactionTestCase):
    EVALUATORS = 4

    def evaluate_together(self, minutes: int) -> None:
        errors: list[BaseException] = []
        together = threading.Barrier(self.EVALUATORS)

        def evaluate() -> None:
            try:
                together.wait()
                evaluate_all(T0 + minutes * M)
            except BaseException as exc:
                errors.append(exc)
            finally:
                connection.close()

        threads = [threading.Thread(target=evaluate) for _ in range(self.EVALUATORS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])

    def test_evaluators_at_the_same_time_open_and_end_each_alert_once(self) -> None:
        instances = [make_instance(f"shop-{n}") for n in range(5)]
        make_schedule("nightly", *instances)
        for instance in instances:
            make_backup(instance, T0 - H)
            make_job(instance, JobStatus.FAILED, T0)
        self.evaluate_together(1)
        self.assertEqual(Alert.objects.filter(rule="job_failed").count(), 5)
        self.assertEqual(AlertTransition.objects.count(), Alert.objects.count())

        for instance in instances:
            make_backup(instance, T0 + 2 * M, took=M)
        self.evaluate_together(3)
        resolved = Alert.objects.filter(rule="job_failed", status=AlertStatus.RESOLVED)
        self.assertEqual(resolved.count(), 5)
        self.assertEqual(AlertTransition.objects.count(), 2 * Alert.objects.count())


@pytest.mark.parametrize("status", AlertStatus)
def test_every_status_has_its_moves(status: AlertStatus) -> None:
    assert status in ALERT_MOVES
