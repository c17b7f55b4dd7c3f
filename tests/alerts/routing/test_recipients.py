from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerts.routing.recipients import (
    ESCALATION_INTERVAL,
    AlertFacts,
    NotifiedState,
    QuietHours,
    RouteFacts,
    choose_route,
    decide_notification,
    matches,
)
from alerts.states import AlertStatus, NotificationKind, Severity

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
ALERT = AlertFacts(7, "job_failed", AlertStatus.FIRING, Severity.CRITICAL, "instance:1")
ROUTE = RouteFacts(1, 1, Severity.WARNING)
NOTIFIED = NotifiedState(Severity.CRITICAL, None)


@pytest.mark.parametrize(
    ("route", "fits"),
    [
        (ROUTE, True),
        (replace(ROUTE, min_severity=Severity.CRITICAL), True),
        (replace(ROUTE, min_severity=Severity.EMERGENCY), False),
        (replace(ROUTE, rules=frozenset({"job_failed"})), True),
        (replace(ROUTE, rules=frozenset({"job_lost"})), False),
        (replace(ROUTE, groups=frozenset({4})), True),
        (replace(ROUTE, groups=frozenset({5})), False),
        (replace(ROUTE, groups=frozenset({4}), tags=frozenset({9})), False),
    ],
)
def test_a_route_matches_when_all_it_says_fits(route: RouteFacts, fits: bool) -> None:
    assert matches(replace(ALERT, groups=frozenset({4})), route) is fits


def test_good_news_is_notified_only_where_a_route_wants_it() -> None:
    good = replace(ALERT, rule="backup_succeeded", severity=Severity.NOTICE)
    assert not matches(good, replace(ROUTE, min_severity=Severity.NOTICE))
    assert matches(good, replace(ROUTE, rules=frozenset({"backup_succeeded"})))


def test_at_once_comes_before_a_digest() -> None:
    digest = replace(ROUTE, digest_every=timedelta(hours=1))
    later = replace(ROUTE, pk=2)
    assert choose_route(ALERT, [digest, later]) == later
    assert choose_route(ALERT, [digest]) == digest
    assert choose_route(ALERT, []) is None


def test_the_route_of_the_alert_sends_its_recovery() -> None:
    loud = replace(ROUTE, min_severity=Severity.EMERGENCY)
    notified = replace(NOTIFIED, severity=Severity.EMERGENCY)
    milder = replace(ALERT, severity=Severity.WARNING)
    over = replace(milder, status=AlertStatus.RESOLVED)
    assert choose_route(over, [loud], notified) == loud
    assert choose_route(over, [loud], NOTIFIED) is None
    assert choose_route(milder, [loud], notified) is None


@pytest.mark.parametrize(
    ("status", "notified", "kind"),
    [
        (AlertStatus.PENDING, None, None),
        (AlertStatus.FIRING, None, NotificationKind.FIRING),
        (AlertStatus.FIRING, NOTIFIED, None),
        (
            AlertStatus.FIRING,
            replace(NOTIFIED, severity=Severity.WARNING),
            NotificationKind.ESCALATION,
        ),
        (AlertStatus.FIRING, replace(NOTIFIED, severity=Severity.EMERGENCY), None),
        (AlertStatus.FIRING, replace(NOTIFIED, remind_at=NOW), NotificationKind.REMINDER),
        (AlertStatus.FIRING, replace(NOTIFIED, remind_at=NOW + timedelta(seconds=1)), None),
        (AlertStatus.ACKNOWLEDGED, None, None),
        (AlertStatus.ACKNOWLEDGED, replace(NOTIFIED, remind_at=NOW), None),
        (
            AlertStatus.ACKNOWLEDGED,
            replace(NOTIFIED, severity=Severity.WARNING),
            NotificationKind.ESCALATION,
        ),
        (AlertStatus.RESOLVED, None, None),
        (AlertStatus.RESOLVED, NOTIFIED, NotificationKind.RECOVERY),
        (AlertStatus.RESOLVED, replace(NOTIFIED, recovery_sent=True), None),
    ],
)
def test_what_a_channel_has_to_hear(
    status: AlertStatus, notified: NotifiedState | None, kind: NotificationKind | None
) -> None:
    planned = decide_notification(replace(ALERT, status=status), ROUTE, notified, NOW)
    assert (planned and planned.kind) == kind


@pytest.mark.parametrize(
    ("status", "lowest_severity", "ago", "kind"),
    [
        (AlertStatus.FIRING, None, ESCALATION_INTERVAL, None),
        (AlertStatus.FIRING, Severity.CRITICAL, ESCALATION_INTERVAL, None),
        (AlertStatus.FIRING, Severity.WARNING, ESCALATION_INTERVAL, NotificationKind.ESCALATION),
        (AlertStatus.FIRING, Severity.WARNING, ESCALATION_INTERVAL - timedelta(seconds=1), None),
        (AlertStatus.ACKNOWLEDGED, Severity.WARNING, ESCALATION_INTERVAL, None),
    ],
)
def test_what_was_milder_since_is_worse_again_once_an_hour(
    status: AlertStatus, lowest_severity: int | None, ago: timedelta, kind: NotificationKind | None
) -> None:
    notified = replace(NOTIFIED, notified_at=NOW - ago, lowest_severity=lowest_severity)
    planned = decide_notification(replace(ALERT, status=status), ROUTE, notified, NOW)
    assert (planned and planned.kind) == kind


def test_a_silenced_alert_notifies_nobody_and_its_recovery_does() -> None:
    silenced = replace(ALERT, silenced=True)
    assert decide_notification(silenced, ROUTE, None, NOW) is None
    assert decide_notification(silenced, ROUTE, replace(NOTIFIED, remind_at=NOW), NOW) is None
    over = decide_notification(replace(silenced, status=AlertStatus.RESOLVED), ROUTE, NOTIFIED, NOW)
    assert over and over.kind == NotificationKind.RECOVERY


def test_no_recovery_where_the_route_wants_none() -> None:
    over = replace(ALERT, status=AlertStatus.RESOLVED)
    assert decide_notification(over, replace(ROUTE, notify_recovery=False), NOTIFIED, NOW) is None


def test_a_digest_waits_for_its_time() -> None:
    planned = decide_notification(ALERT, replace(ROUTE, digest_every=timedelta(hours=6)), None, NOW)
    assert planned and planned.kind == NotificationKind.DIGEST
    assert planned.send_at == NOW + timedelta(hours=6)


NIGHT = QuietHours(time(22), time(7), ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-03-02T20:59:59+00:00", None),
        ("2026-03-02T21:00:00+00:00", "2026-03-03T06:00:00+00:00"),
        ("2026-03-03T05:59:59+00:00", "2026-03-03T06:00:00+00:00"),
        ("2026-03-03T06:00:00+00:00", None),
        # The clocks go forward in that night: seven o'clock comes an hour sooner.
        ("2026-03-28T22:00:00+00:00", "2026-03-29T05:00:00+00:00"),
        ("2026-10-24T21:00:00+00:00", "2026-10-25T06:00:00+00:00"),
    ],
)
def test_quiet_hours_across_midnight(now: str, end: str | None) -> None:
    expected = datetime.fromisoformat(end) if end else None
    assert NIGHT.end_after(datetime.fromisoformat(now)) == expected


def test_quiet_hours_within_a_day() -> None:
    noon = QuietHours(time(12), time(13), ZoneInfo("UTC"))
    assert noon.end_after(NOW.replace(hour=12)) == NOW.replace(hour=13)
    assert noon.end_after(NOW.replace(hour=13)) is None


def test_an_emergency_wakes_people_and_the_rest_waits_for_the_morning() -> None:
    quiet, night = replace(ROUTE, quiet=NIGHT), datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
    waiting = decide_notification(ALERT, quiet, None, night)
    loud = decide_notification(replace(ALERT, severity=Severity.EMERGENCY), quiet, None, night)
    assert waiting and waiting.send_at == datetime(2026, 3, 3, 6, 0, tzinfo=UTC)
    assert loud and loud.send_at == night
    assert waiting.group_key != loud.group_key
