"""An evaluation and a teller that are killed between any two statements."""

from __future__ import annotations

import pytest
from django.db import connection

from alerts.evaluation.evaluate import evaluate_changed
from alerts.models import Alert, AlertTransition, EvaluationCursor, Notification
from alerts.routing.outbox import notify_changes
from backups.states import JobStatus
from tests.alerts.fleet import T0, H, M, make_backup, make_instance, make_job, make_schedule
from tests.alerts.rows import make_route, make_webhook
from tests.backups.schedules.test_crash import Killed, Killer

pytestmark = pytest.mark.django_db(transaction=True)


def set_the_scene(cursor: EvaluationCursor) -> None:
    """A job has failed, and nobody has looked yet."""
    Notification.objects.all().delete()
    Alert.objects.all().delete()
    EvaluationCursor.objects.update(position=cursor.position, moved_at=cursor.moved_at)


def test_killed_between_any_two_statements_it_is_one_alert_and_one_message() -> None:
    make_route(make_webhook())
    shop = make_instance()
    make_schedule("nightly", shop)
    make_backup(shop, T0 - H)
    evaluate_changed(T0 - M)
    cursor = EvaluationCursor.objects.get()
    make_job(shop, JobStatus.FAILED, T0)
    statements = 0
    while True:
        set_the_scene(cursor)
        killer = Killer(statements)
        try:
            with connection.execute_wrapper(killer):
                evaluate_changed(T0 + M)
                notify_changes(T0 + M)
        except Killed:
            connection.close()
        for later in (2 * M, 3 * M):
            evaluate_changed(T0 + later)
            notify_changes(T0 + later)
        found = list(Notification.objects.values_list("kind", "alerts__rule"))
        assert found == [("firing", "job_failed")], f"killed after {statements} statements"
        assert Alert.objects.count() == AlertTransition.objects.count() == 1
        if killer.left:
            break
        statements += 1
    # It has to have been killed at all, and in more than the first few statements.
    assert statements > 40
