from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import OperationalError, connection
from django.test import TestCase
from django.utils.timezone import now

from backups.models import TickHeartbeat
from backups.schedules.tick import TICK


def refuse(*words: Any) -> None:
    """Answer like an unreachable database. Any: what Django passes to a query's wrapper."""
    raise OperationalError("could not connect to 10.0.0.5 as mooring")


class HealthTestCase(TestCase):
    def test_it_answers_without_a_login(self) -> None:
        response = self.client.get("/healthz")
        body = {"status": "ok", "scheduler": "never ran"}
        self.assertEqual((response.status_code, response.json()), (200, body))

    def test_it_says_whether_the_scheduler_runs_whatever_the_clock_does(self) -> None:
        for finished_ago, scheduler in ((0, "running"), (3600, "stopped"), (-3600, "stopped")):
            with self.subTest(finished_ago):
                finished_at = now() - timedelta(seconds=finished_ago)
                TickHeartbeat.objects.update_or_create(
                    name=TICK, defaults={"finished_at": finished_at}
                )
                self.assertEqual(self.client.get("/healthz").json()["scheduler"], scheduler)

    def test_it_says_that_the_database_is_unreachable_and_not_where_it_is(self) -> None:
        with connection.execute_wrapper(refuse):
            response = self.client.get("/healthz")
        self.assertEqual(response.status_code, 503)
        self.assertEqual(response.json(), {"status": "database unreachable"})
