"""What every page says: whether the ticks tick, and how many alerts stand."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import TestCase
from django.urls import reverse
from django.utils.timezone import now

from alerts.models import Channel
from alerts.states import AlertStatus, Severity
from backups.models import TickHeartbeat
from backups.schedules.tick import TICK
from monitor.celery import app
from monitor.selectors.shell import STOPPED_AFTER, load_scheduler_state
from tests.alerts.rows import make_alert, make_webhook
from tests.monitor.rows import T0, make_user

SECOND = timedelta(seconds=1)


def test_the_planning_tick_writes_its_heartbeat_under_the_expected_name() -> None:
    assert TICK in app.conf.beat_schedule


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("began", "ended", "stopped"),
    [
        (T0, T0 - STOPPED_AFTER, False),
        (T0, T0 - STOPPED_AFTER - SECOND, True),
        (T0 - STOPPED_AFTER - SECOND, None, True),
        (T0 - SECOND, None, False),
    ],
)
def test_two_minutes_are_the_edge(began: datetime, ended: datetime | None, stopped: bool) -> None:
    TickHeartbeat.objects.create(name=TICK, started_at=began, finished_at=ended)
    assert load_scheduler_state(T0).stopped is stopped


@pytest.mark.django_db
def test_before_the_first_tick_nothing_has_stopped() -> None:
    assert load_scheduler_state(T0).stopped is False


class ShellTestCase(TestCase):
    def setUp(self) -> None:
        self.client.force_login(make_user("victor", "viewer"))

    def test_a_stopped_tick_is_on_every_page(self) -> None:
        at = now() - timedelta(minutes=7)
        TickHeartbeat.objects.create(name=TICK, started_at=at, finished_at=at, error="no disk left")
        for page in ("fleet", "schedules", "alerts", "rules"):
            with self.subTest(page):
                response = self.client.get(reverse(page))
                self.assertContains(response, "The scheduler has stopped")
                self.assertContains(response, "7 min ago")
                self.assertContains(response, "no disk left")

    def test_a_channel_that_mooring_switched_off_is_on_every_page(self) -> None:
        make_webhook()
        words = "Mooring disabled a channel"
        for tick in ("dispatch notifications", TICK):
            TickHeartbeat.objects.create(name=tick, started_at=now(), finished_at=now())
            for enabled, reason, said in (
                (True, "", False),
                (False, "", False),
                (False, "410 gone", True),
            ):
                Channel.objects.update(enabled=enabled, disabled_reason=reason)
                for page in ("fleet", "schedules", "alerts", "rules"):
                    with self.subTest(page, tick=tick, enabled=enabled, reason=reason):
                        response = self.client.get(reverse(page))
                        (self.assertContains if said else self.assertNotContains)(response, words)

    def test_channels_cost_no_query_of_their_own(self) -> None:
        for name in ("", "dispatch notifications", TICK):
            if name:
                TickHeartbeat.objects.create(name=name, finished_at=now())
            with self.subTest(name), self.assertNumQueries(1):
                self.assertFalse(load_scheduler_state(now()).channel_failed)

    def test_what_stands_unseen_is_counted_in_the_navigation(self) -> None:
        make_alert("a", severity=Severity.WARNING)
        make_alert("b", status=AlertStatus.ACKNOWLEDGED)
        make_alert("c", status=AlertStatus.RESOLVED)
        response = self.client.get(reverse("fleet"))
        self.assertContains(response, '<span class="standing">1<')
        make_alert("d", severity=Severity.CRITICAL)
        self.assertContains(self.client.get(reverse("fleet")), '<span class="standing critical">2<')
