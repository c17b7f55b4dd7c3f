"""The clock that all hosts share: PostgreSQL's, or that of the only host there is."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from backups.models.clock import SharedClock

pytestmark = pytest.mark.django_db

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def set_clock(patch: pytest.MonkeyPatch, ahead: timedelta) -> None:
    real = time.clock_gettime
    patch.setattr(time, "time", lambda: real(time.CLOCK_REALTIME) + ahead.total_seconds())


def test_it_is_this_hosts_where_both_agree() -> None:
    assert SharedClock().at(T0) == T0


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_a_host_whose_clock_differs(monkeypatch: pytest.MonkeyPatch, ahead: timedelta) -> None:
    set_clock(monkeypatch, ahead)
    expected = T0 - ahead if connection.vendor == "postgresql" else T0
    assert abs(SharedClock().at(T0) - expected) < timedelta(seconds=1)


def test_it_notices_at_once_that_this_hosts_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SharedClock()
    assert clock.at(T0) == T0
    set_clock(monkeypatch, HOUR)
    moved = clock.at(T0) - T0
    assert (abs(moved + HOUR) < timedelta(seconds=1)) == (connection.vendor == "postgresql")
