from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import Settings

from alerts.delivery.deadman import MAX_SILENCE, ping, stopped_tasks
from alerts.exceptions import NotDelivered
from alerts.models import Channel
from backups.models import TickHeartbeat
from tests.alerts.receiver import receiving
from tests.alerts.rows import T0, make_route, make_webhook

pytestmark = pytest.mark.django_db
EXPECTED = frozenset({"plan", "evaluate"})


def beat(name: str, age: timedelta = timedelta(0), error: str = "") -> None:
    TickHeartbeat.objects.create(name=name, finished_at=T0 - age, error=error)


def test_a_tick_is_stale_when_it_never_ran_failed_or_stopped() -> None:
    assert stopped_tasks(T0, EXPECTED) == ["evaluate", "plan"]
    beat("plan", MAX_SILENCE)
    beat("evaluate", MAX_SILENCE + timedelta(microseconds=1))
    assert stopped_tasks(T0, EXPECTED) == ["evaluate"]
    TickHeartbeat.objects.update(finished_at=T0, error="")
    assert stopped_tasks(T0, EXPECTED) == []
    TickHeartbeat.objects.filter(name="plan").update(error="no such table")
    assert stopped_tasks(T0, EXPECTED) == ["plan"]


def test_a_run_in_the_future_is_none() -> None:
    # The clock was set back an hour: nobody knows how long ago that was.
    beat("plan", timedelta(hours=-1))
    beat("evaluate", timedelta(seconds=-1))
    assert stopped_tasks(T0, EXPECTED) == ["plan"]


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


@pytest.mark.parametrize(
    ("reason", "lost_route", "other", "other_route", "called"),
    [
        ("410 gone", True, True, True, True),
        ("410 gone", True, True, False, False),
        ("410 gone", True, False, True, False),
        # A person's choice, and a channel that notified nobody.
        ("", True, False, True, True),
        ("410 gone", False, False, True, True),
    ],
)
def test_the_outside_is_not_called_where_mooring_lost_its_last_way(
    settings: Settings, reason: str, lost_route: bool, other: bool, other_route: bool, called: bool
) -> None:
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    make_route(make_webhook(name="lost"), enabled=lost_route)
    make_route(make_webhook(name="other"), enabled=other_route)
    Channel.objects.filter(name="lost").update(enabled=False, disabled_reason=reason)
    Channel.objects.filter(name="other").update(enabled=other)
    with receiving() as receiver:
        settings.PING_URL = receiver.url
        ping(T0, frozenset())
        assert bool(receiver.received) is called


def test_without_an_address_nobody_is_called(settings: Settings) -> None:
    settings.PING_URL = ""
    ping(T0, frozenset())
