from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import Settings

from alerts.deadman import FRESH, ping, stale_ticks
from alerts.exceptions import NotDelivered
from backups.models import TickBeat
from tests.alerts.receiver import receiving
from tests.alerts.rows import T0

pytestmark = pytest.mark.django_db
EXPECTED = frozenset({"plan", "evaluate"})


def beat(name: str, age: timedelta = timedelta(0), error: str = "") -> None:
    TickBeat.objects.create(name=name, finished_at=T0 - age, error=error)


def test_a_tick_is_stale_when_it_never_ran_failed_or_stopped() -> None:
    assert stale_ticks(T0, EXPECTED) == ["evaluate", "plan"]
    beat("plan", FRESH)
    beat("evaluate", FRESH + timedelta(microseconds=1))
    assert stale_ticks(T0, EXPECTED) == ["evaluate"]
    TickBeat.objects.update(finished_at=T0, error="")
    assert stale_ticks(T0, EXPECTED) == []
    TickBeat.objects.filter(name="plan").update(error="no such table")
    assert stale_ticks(T0, EXPECTED) == ["plan"]


def test_the_outside_is_called_only_when_everything_ticks(settings: Settings) -> None:
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    with receiving() as receiver:
        settings.PING_URL = receiver.url
        beat("plan")
        ping(T0, EXPECTED)
        assert receiver.received == []
        beat("evaluate")
        ping(T0, EXPECTED)
        assert len(receiver.received) == 1
        receiver.status = 500
        with pytest.raises(NotDelivered, match="500"):
            ping(T0, EXPECTED)


def test_without_an_address_nobody_is_called(settings: Settings) -> None:
    settings.PING_URL = ""
    ping(T0, frozenset())
