from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerts.models import MessageKind
from alerts.routing.recipients import (
    WORSE_AGAIN_EVERY,
    AlertFacts,
    QuietHours,
    RouteFacts,
    Told,
    choose_route,
    decide_message,
    matches,
)
from alerts.states import AlertStatus, Severity

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
ALERT = AlertFacts(7, "job_failed", AlertStatus.FIRING, Severity.CRITICAL, "instance:1")
ROUTE = RouteFacts(1, 1, Severity.WARNING)
TOLD = Told(Severity.CRITICAL, None)


@pytest.mark.parametrize(
    ("route", "fits"),
    [
        (ROUTE, True),
        (replace(ROUTE, least_severe=Severity.CRITICAL), True),
        (replace(ROUTE, least_severe=Severity.EMERGENCY), False),
        (replace(ROUTE, rules=frozenset({"job_failed"})), True),
        (replace(ROUTE, rules=frozenset({"job_lost"})), False),
        (replace(ROUTE, groups=frozenset({4})), True),
        (replace(ROUTE, groups=frozenset({5})), False),
        (replace(ROUTE, groups=frozenset({4}), tags=frozenset({9})), False),
    ],
)
def test_a_route_matches_when_all_it_says_fits(route: RouteFacts, fits: bool) -> None:
    assert matches(replace(ALERT, groups=frozenset({4})), route) is fits


def test_good_news_is_told_only_where_it_is_asked_for() -> None:
    good = replace(ALERT, rule="backup_succeeded", severity=Severity.NOTICE)
    assert not matches(good, replace(ROUTE, least_severe=Severity.NOTICE))
    assert matches(good, replace(ROUTE, rules=frozenset({"backup_succeeded"})))


def test_at_once_comes_before_a_digest() -> None:
    digest = replace(ROUTE, digest_every=timedelta(hours=1))
    later = replace(ROUTE, pk=2)
    assert choose_route(ALERT, [digest, later]) == later
    assert choose_route(ALERT, [digest]) == digest
    assert choose_route(ALERT, []) is None


def test_the_end_is_told_by_whom_the_beginning_was() -> None:
    loud = replace(ROUTE, least_severe=Severity.EMERGENCY)
    heard = replace(TOLD, severity=Severity.EMERGENCY)
    milder = replace(ALERT, severity=Severity.WARNING)
    over = replace(milder, status=AlertStatus.RESOLVED)
    assert choose_route(over, [loud], heard) == loud
    assert choose_route(over, [loud], TOLD) is None
    assert choose_route(milder, [loud], heard) is None


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        (AlertStatus.PENDING, None, None),
        (AlertStatus.FIRING, None, MessageKind.FIRING),
        (AlertStatus.FIRING, TOLD, None),
        (AlertStatus.FIRING, replace(TOLD, severity=Severity.WARNING), MessageKind.WORSE),
        (AlertStatus.FIRING, replace(TOLD, severity=Severity.EMERGENCY), None),
        (AlertStatus.FIRING, replace(TOLD, remind_at=NOW), MessageKind.REMINDER),
        (AlertStatus.FIRING, replace(TOLD, remind_at=NOW + timedelta(seconds=1)), None),
        (AlertStatus.ACKNOWLEDGED, None, None),
        (AlertStatus.ACKNOWLEDGED, replace(TOLD, remind_at=NOW), None),
        (AlertStatus.ACKNOWLEDGED, replace(TOLD, severity=Severity.WARNING), MessageKind.WORSE),
        (AlertStatus.RESOLVED, None, None),
        (AlertStatus.RESOLVED, TOLD, MessageKind.RECOVERY),
        (AlertStatus.RESOLVED, replace(TOLD, recovery_told=True), None),
    ],
)
def test_what_a_channel_has_to_hear(
    status: AlertStatus, told: Told | None, kind: MessageKind | None
) -> None:
    wanted = decide_message(replace(ALERT, status=status), ROUTE, told, NOW)
    assert (wanted and wanted.kind) == kind


@pytest.mark.parametrize(
    ("status", "mildest", "ago", "kind"),
    [
        (AlertStatus.FIRING, None, WORSE_AGAIN_EVERY, None),
        (AlertStatus.FIRING, Severity.CRITICAL, WORSE_AGAIN_EVERY, None),
        (AlertStatus.FIRING, Severity.WARNING, WORSE_AGAIN_EVERY, MessageKind.WORSE),
        (AlertStatus.FIRING, Severity.WARNING, WORSE_AGAIN_EVERY - timedelta(seconds=1), None),
        (AlertStatus.ACKNOWLEDGED, Severity.WARNING, WORSE_AGAIN_EVERY, None),
    ],
)
def test_what_was_milder_since_is_worse_again_once_an_hour(
    status: AlertStatus, mildest: int | None, ago: timedelta, kind: MessageKind | None
) -> None:
    heard = replace(TOLD, told_at=NOW - ago, mildest=mildest)
    wanted = decide_message(replace(ALERT, status=status), ROUTE, heard, NOW)
    assert (wanted and wanted.kind) == kind


def test_a_silenced_alert_is_told_to_nobody_and_its_recovery_is() -> None:
    silenced = replace(ALERT, silenced=True)
    assert decide_message(silenced, ROUTE, None, NOW) is None
    assert decide_message(silenced, ROUTE, replace(TOLD, remind_at=NOW), NOW) is None
    over = decide_message(replace(silenced, status=AlertStatus.RESOLVED), ROUTE, TOLD, NOW)
    assert over and over.kind == MessageKind.RECOVERY


def test_no_recovery_where_the_route_wants_none() -> None:
    over = replace(ALERT, status=AlertStatus.RESOLVED)
    assert decide_message(over, replace(ROUTE, tell_recovery=False), TOLD, NOW) is None


def test_a_digest_waits_for_its_time() -> None:
    wanted = decide_message(ALERT, replace(ROUTE, digest_every=timedelta(hours=6)), None, NOW)
    assert wanted and wanted.kind == MessageKind.DIGEST
    assert wanted.send_at == NOW + timedelta(hours=6)


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
    waiting = decide_message(ALERT, quiet, None, night)
    loud = decide_message(replace(ALERT, severity=Severity.EMERGENCY), quiet, None, night)
    assert waiting and waiting.send_at == datetime(2026, 3, 3, 6, 0, tzinfo=UTC)
    assert loud and loud.send_at == night
    assert waiting.group_key != loud.group_key
