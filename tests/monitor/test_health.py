from __future__ import annotations

from typing import Any

from django.db import OperationalError, connection
from django.test import TestCase


def refuse(*words: Any) -> None:
    """Answer like a database that is away. Any: what Django passes to a query's wrapper."""
    raise OperationalError("could not connect to 10.0.0.5 as mooring")


class HealthTestCase(TestCase):
    def test_it_answers_without_a_login(self) -> None:
        response = self.client.get("/healthz")
        self.assertEqual((response.status_code, response.json()), (200, {"status": "ok"}))

    def test_it_says_so_when_the_database_is_away_and_not_where_it_is(self) -> None:
        with connection.execute_wrapper(refuse):
            response = self.client.get("/healthz")
        self.assertEqual(response.status_code, 503)
        self.assertEqual(response.json(), {"status": "database unreachable"})
