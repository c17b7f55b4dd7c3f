"""Which notifications have to be queued now?

Compares the open alerts with what each channel was last notified of them, so that nothing depends
on seeing a change happen: a crashed worker, an expired silence and a new route are all the same
case. Notifications and the state they establish are written in one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction
from django.db.models import F, Min, Q

from alerts.models import Alert, AlertTransition, Channel, Notification, NotificationState, Route
from alerts.routing.recipients import (
    AlertFacts,
    DueNotification,
    NotifiedState,
    QuietHours,
    RouteFacts,
    choose_route,
    decide_notification,
)
from alerts.routing.silences import is_silenced, load_silences
from alerts.routing.superseded import find_superseded
from alerts.states import AlertStatus, NotificationKind, NotificationStatus

logger = logging.getLogger(__name__)

# Transitions handled in one run; the rest follows in the next one.
BATCH_SIZE = 1000
# Alerts with a shared cause: how long to collect them, and the interval between notifications.
SHARED_CAUSE_DELAY = timedelta(seconds=8)
SHARED_CAUSE_INTERVAL = timedelta(minutes=5)
# A due reminder that may not be sent now is checked again after this long at most.
REMINDER_RECHECK = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Entry:
    """An alert that is about to be added to a notification."""

    alert: Alert
    route: RouteFacts
    due: DueNotification


def notify_changes(now: datetime) -> int:
    """Queue notifications for new transitions and due reminders; return how many alerts joined."""
    new = AlertTransition.objects.filter(routed_at=None).order_by("id")
    transitions = list(new[:BATCH_SIZE])
    reminders = NotificationState.objects.filter(remind_at__lte=now)
    reminded = reminders.values_list("alert_id", flat=True)[:BATCH_SIZE]
    alert_ids = {transition.alert_id for transition in transitions} | set(reminded)
    if not alert_ids:
        return 0
    return _notify(alert_ids, [transition.pk for transition in transitions], now)


def notify_open_alerts(now: datetime) -> int:
    """Queue notifications that open alerts still lack: after silences, on new routes."""
    firing = Alert.objects.filter(status=AlertStatus.FIRING)
    count = 0
    ids = list(firing.order_by("id").values_list("id", flat=True))
    for begin in range(0, len(ids), BATCH_SIZE):
        count += _notify(ids[begin : begin + BATCH_SIZE], [], now)
    return count


def _notify(alert_ids: Iterable[int], transition_ids: list[int], now: datetime) -> int:
    alert_ids = list(alert_ids)
    with transaction.atomic():
        # One dispatcher at a time: the rows of the channels are the lock.
        channels = Channel.objects.select_for_update().order_by("pk")
        enabled = {channel.pk for channel in channels if channel.enabled}
        entries = list(_decide(alert_ids, enabled, now))
        _queue(entries, now)
        AlertTransition.objects.filter(pk__in=transition_ids).update(routed_at=now)
    return len(entries)


def _decide(alert_ids: list[int], enabled: set[int], now: datetime) -> Iterator[_Entry]:
    routes, states = load_routes(), _load_states(alert_ids)
    silences, alerts = load_silences(now), _load_alerts(alert_ids)
    superseded = find_superseded(alerts)
    for alert in alerts:
        facts = _facts(alert, is_silenced(alert, silences, now), alert.pk in superseded)
        for channel, channel_routes in routes.items():
            previous = states.get((alert.pk, channel))
            route = choose_route(facts, channel_routes, previous)
            if route and channel in enabled:
                due = decide_notification(facts, route, previous, now)
                if due:
                    yield _Entry(alert, route, due)
                    continue
            if previous and previous.remind_at and (facts.superseded or previous.remind_at <= now):
                state = NotificationState.objects.filter(alert=alert, channel=channel)
                state.update(remind_at=_next_reminder(alert, route, now))


def _next_reminder(alert: Alert, route: RouteFacts | None, now: datetime) -> datetime | None:
    """Return when to check again for a due reminder that was not sent; None for never.

    The silence may expire, the channel may be enabled again, or the severity may rise again. An
    acknowledged alert is routed again on its next transition. A resolved or superseded alert needs
    no reminder: the recovery of its successor is sent instead.
    """
    if alert.status != AlertStatus.FIRING:
        return None
    if route is None:
        return now + REMINDER_RECHECK
    return now + min(route.remind_every, REMINDER_RECHECK) if route.remind_every else None


def _queue(entries: list[_Entry], now: datetime) -> None:
    """Add alerts to pending notifications, or to new ones, and record what that notifies of."""
    groups: dict[str, list[_Entry]] = {}
    unsent = _unsent([entry for entry in entries if entry.due.kind == NotificationKind.RECOVERY])
    for entry in entries:
        # A first notification that was not attempted yet will itself say that it is resolved.
        if (entry.alert.pk, entry.route.channel) not in unsent:
            groups.setdefault(entry.due.group_key, []).append(entry)
    for key, group in groups.items():
        notification = _notification_for(group[0], key, now)
        notification.alerts.add(*(entry.alert for entry in group))
    NotificationState.objects.bulk_create(
        [_new_state(entry, now) for entry in entries],
        update_conflicts=True,
        unique_fields=["alert", "channel"],
        update_fields=["severity", "notified_at", "remind_at", "recovery_sent", "delivery_failed"],
    )


def _new_state(entry: _Entry, now: datetime) -> NotificationState:
    alert, due = entry.alert, entry.due
    remind_every = entry.route.remind_every if alert.status == AlertStatus.FIRING else None
    return NotificationState(
        alert=alert,
        channel_id=entry.route.channel,
        severity=alert.severity,
        notified_at=now,
        remind_at=due.send_at + remind_every if remind_every else None,
        recovery_sent=alert.status == AlertStatus.RESOLVED,
    )


def _unsent(recoveries: list[_Entry]) -> set[tuple[int, int]]:
    """Return the alerts, by channel, whose first notification has not been attempted.

    Reminders and escalations do not count: their alerts were notified before, so the recovery is
    news.
    """
    through = Notification.alerts.through.objects.filter(
        alert__in=[entry.alert.pk for entry in recoveries],
        notification__status=NotificationStatus.PENDING,
        notification__attempts=0,
        notification__kind__in=[NotificationKind.FIRING, NotificationKind.DIGEST],
    )
    return set(through.values_list("alert_id", "notification__channel_id"))


def _notification_for(entry: _Entry, key: str, now: datetime) -> Notification:
    same_group = Notification.objects.filter(channel=entry.route.channel, group_key=key)
    unattempted = same_group.filter(status=NotificationStatus.PENDING, attempts=0)
    # Locked, so that a sender claims it before the alerts join or after, not in between.
    pending = unattempted.select_for_update().order_by("-id").first()
    if pending is not None:
        return pending
    newest = same_group.order_by("-id").first()
    return Notification.objects.create(
        channel_id=entry.route.channel,
        route_id=entry.route.pk,
        kind=entry.due.kind,
        dedupe_key=f"{entry.due.kind.value}-{uuid4()}",
        group_key=key,
        created_at=now,
        next_attempt_at=_send_at(entry.alert, entry.due, newest, now),
    )


def _send_at(
    alert: Alert, due: DueNotification, newest: Notification | None, now: datetime
) -> datetime:
    """Alerts with one cause come in bursts: collect them, then limit how often they are sent."""
    shared_cause = alert.cause != alert.subject and due.kind != NotificationKind.DIGEST
    if not shared_cause or due.send_at > now:
        return due.send_at
    if newest is not None and now - newest.created_at < SHARED_CAUSE_INTERVAL:
        return newest.created_at + SHARED_CAUSE_INTERVAL
    return now + SHARED_CAUSE_DELAY


def _load_alerts(alert_ids: Iterable[int]) -> list[Alert]:
    return list(
        Alert.objects.filter(pk__in=list(alert_ids))
        .select_related("instance")
        .prefetch_related("instance__groups", "instance__tags")
        .order_by("-severity", "pk")
    )


def _load_states(alert_ids: Iterable[int]) -> dict[tuple[int, int], NotifiedState]:
    since = Q(alert__transitions__created_at__gt=F("notified_at"))
    rows = NotificationState.objects.filter(alert__in=list(alert_ids)).annotate(
        lowest_severity=Min("alert__transitions__severity", filter=since)
    )
    columns = rows.values_list(
        "alert_id", "channel_id",
        "severity", "remind_at", "recovery_sent", "notified_at", "lowest_severity",
    )  # fmt: skip
    return {(alert, channel): NotifiedState(*state) for alert, channel, *state in columns}


def load_routes() -> dict[int, list[RouteFacts]]:
    """Return the enabled routes, by channel."""
    routes: dict[int, list[RouteFacts]] = {}
    rows = Route.objects.filter(enabled=True).prefetch_related("groups", "tags")
    for row in rows.order_by("pk"):
        routes.setdefault(row.channel_id, []).append(_route_facts(row))
    return routes


def _route_facts(row: Route) -> RouteFacts:
    quiet = None
    if row.quiet_from is not None and row.quiet_to is not None:
        quiet = _quiet_hours(row.quiet_from, row.quiet_to, row.time_zone)
    return RouteFacts(
        pk=row.pk,
        channel=row.channel_id,
        min_severity=row.min_severity,
        rules=frozenset(row.rules),
        groups=frozenset(group.pk for group in row.groups.all()),
        tags=frozenset(tag.pk for tag in row.tags.all()),
        digest_every=row.digest_every,
        remind_every=row.remind_every,
        notify_recovery=row.notify_recovery,
        quiet=quiet,
    )


def _quiet_hours(begin: time, end: time, zone: str) -> QuietHours | None:
    try:
        return QuietHours(begin, end, ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        # An invalid zone disables the quiet hours of its route, and no other route.
        logger.error(
            "a route has the unknown time zone %r: its quiet hours do not apply", zone,
            extra={"action": "time_zone_unknown"},
        )  # fmt: skip
        return None


def _facts(alert: Alert, silenced: bool, superseded: bool) -> AlertFacts:
    instance = alert.instance
    return AlertFacts(
        pk=alert.pk,
        rule=alert.rule,
        status=alert.status,
        severity=alert.severity,
        cause=alert.cause,
        groups=frozenset(group.pk for group in instance.groups.all()) if instance else frozenset(),
        tags=frozenset(tag.pk for tag in instance.tags.all()) if instance else frozenset(),
        silenced=silenced,
        since=alert.status_since,
        superseded=superseded,
    )
