"""Which messages have to be made now?

What stands is compared with what each channel was told of it, so that nothing depends on having
seen a change happen: a teller that died, a silence that ended and a route that is new are all
the same case. Messages and what they tell are written in one transaction.
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

from alerts.models import Alert, AlertTransition, Channel, Notification, Route, Telling
from alerts.models.delivery import MessageKind
from alerts.routing.recipients import (
    AlertFacts,
    QuietHours,
    RouteFacts,
    Told,
    WantedMessage,
    choose_route,
    decide_message,
)
from alerts.routing.silences import is_silenced, load_silences
from alerts.routing.superseded import find_taken_over
from alerts.states import AlertStatus, NotificationStatus

logger = logging.getLogger(__name__)

# Changes looked at in one go; the rest comes with the next tick.
CHANGES_AT_ONCE = 1000
# A cause that is shared waits this long for the others, and is told this often at most.
SHARED_WAIT = timedelta(seconds=8)
SHARED_EVERY = timedelta(minutes=5)
# A reminder that may not be told now is due again after this, or sooner.
LOOK_AGAIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Joining:
    """An alert on its way into a message."""

    alert: Alert
    route: RouteFacts
    wanted: WantedMessage


def tell_changes(now: datetime) -> int:
    """Make the messages that changes of alerts and reminders call for; return how many joined."""
    changes = list(AlertTransition.objects.filter(told_at=None).order_by("id")[:CHANGES_AT_ONCE])
    reminded = Telling.objects.filter(remind_at__lte=now).values_list("alert_id", flat=True)
    alerts = {change.alert_id for change in changes} | set(reminded[:CHANGES_AT_ONCE])
    if not alerts:
        return 0
    return _tell(alerts, [change.pk for change in changes], now)


def tell_standing(now: datetime) -> int:
    """Make the messages for what stands and has not been told: after silences, on new routes."""
    standing = Alert.objects.filter(status=AlertStatus.FIRING)
    count = 0
    ids = list(standing.order_by("id").values_list("id", flat=True))
    for begin in range(0, len(ids), CHANGES_AT_ONCE):
        count += _tell(ids[begin : begin + CHANGES_AT_ONCE], [], now)
    return count


def _tell(alert_ids: Iterable[int], change_ids: list[int], now: datetime) -> int:
    alert_ids = list(alert_ids)
    with transaction.atomic():
        # One teller at a time: the rows of the channels are the lock.
        channels = Channel.objects.select_for_update().order_by("pk")
        enabled = {channel.pk for channel in channels if channel.enabled}
        joining = list(_decide(alert_ids, enabled, now))
        _make(joining, now)
        AlertTransition.objects.filter(pk__in=change_ids).update(told_at=now)
    return len(joining)


def _decide(alert_ids: list[int], enabled: set[int], now: datetime) -> Iterator[_Joining]:
    routes, told = load_routes(), _load_told(alert_ids)
    silences, alerts = load_silences(now), _load_alerts(alert_ids)
    taken_over = find_taken_over(alerts)
    for alert in alerts:
        facts = _facts(alert, is_silenced(alert, silences, now), alert.pk in taken_over)
        for channel, of_channel in routes.items():
            heard = told.get((alert.pk, channel))
            route = choose_route(facts, of_channel, heard)
            if route and channel in enabled:
                wanted = decide_message(facts, route, heard, now)
                if wanted:
                    yield _Joining(alert, route, wanted)
                    continue
            if heard and heard.remind_at and (facts.taken_over or heard.remind_at <= now):
                again_at = _remind_later(alert, route, now)
                Telling.objects.filter(alert=alert, channel=channel).update(remind_at=again_at)


def _remind_later(alert: Alert, route: RouteFacts | None, now: datetime) -> datetime | None:
    """Say when a reminder that was due and not told comes instead; None where no more does.

    A silence ends, a channel is switched on again, and what is too mild for every route gets worse
    again. What is acknowledged is looked at again when it changes; what is over, or taken over,
    is not: when the one that took over ends, its end is what is told.
    """
    if alert.status != AlertStatus.FIRING:
        return None
    if route is None:
        return now + LOOK_AGAIN
    return now + min(route.remind_every, LOOK_AGAIN) if route.remind_every else None


def _make(joining: list[_Joining], now: datetime) -> None:
    """Put alerts into messages that wait, or into new ones, and note what is told by that."""
    groups: dict[str, list[_Joining]] = {}
    unsent = _unsent([each for each in joining if each.wanted.kind == MessageKind.RECOVERY])
    for each in joining:
        # A first message that still waits for its first try will say itself that it is over.
        if (each.alert.pk, each.route.channel) not in unsent:
            groups.setdefault(each.wanted.group_key, []).append(each)
    for key, group in groups.items():
        message = _message_for(group[0], key, now)
        message.alerts.add(*(each.alert for each in group))
    Telling.objects.bulk_create(
        [_telling(each, now) for each in joining],
        update_conflicts=True,
        unique_fields=["alert", "channel"],
        update_fields=["severity", "told_at", "remind_at", "recovery_told"],
    )


def _telling(each: _Joining, now: datetime) -> Telling:
    alert, wanted = each.alert, each.wanted
    remind = each.route.remind_every if alert.status == AlertStatus.FIRING else None
    return Telling(
        alert=alert,
        channel_id=each.route.channel,
        severity=alert.severity,
        told_at=now,
        remind_at=wanted.send_at + remind if remind else None,
        recovery_told=alert.status == AlertStatus.RESOLVED,
    )


def _unsent(recoveries: list[_Joining]) -> set[tuple[int, int]]:
    """Return which alerts are in a first message, by channel, that nobody has tried to send.

    What reminds, or says that it got worse, is of an alert that was told before: its end is news.
    """
    through = Notification.alerts.through.objects.filter(
        alert__in=[each.alert.pk for each in recoveries],
        notification__status=NotificationStatus.PENDING,
        notification__attempts=0,
        notification__kind__in=[MessageKind.FIRING, MessageKind.DIGEST],
    )
    return set(through.values_list("alert_id", "notification__channel_id"))


def _message_for(first: _Joining, key: str, now: datetime) -> Notification:
    of_group = Notification.objects.filter(channel=first.route.channel, group_key=key)
    waiting = of_group.filter(status=NotificationStatus.PENDING, attempts=0)
    # Locked, so that a sender takes it before the alerts join or after, not in between.
    found = waiting.select_for_update().order_by("-id").first()
    if found is not None:
        return found
    last = of_group.order_by("-id").first()
    return Notification.objects.create(
        channel_id=first.route.channel,
        route_id=first.route.pk,
        kind=first.wanted.kind,
        dedupe_key=f"{first.wanted.kind.value}-{uuid4()}",
        group_key=key,
        created_at=now,
        next_look_at=_send_at(first.alert, first.wanted, last, now),
    )


def _send_at(
    alert: Alert, wanted: WantedMessage, last: Notification | None, now: datetime
) -> datetime:
    """Alerts of one cause come in a burst: collect them, and then tell at a calm pace."""
    shared = alert.cause != alert.subject and wanted.kind != MessageKind.DIGEST
    if not shared or wanted.send_at > now:
        return wanted.send_at
    if last is not None and now - last.created_at < SHARED_EVERY:
        return last.created_at + SHARED_EVERY
    return now + SHARED_WAIT


def _load_alerts(alert_ids: Iterable[int]) -> list[Alert]:
    return list(
        Alert.objects.filter(pk__in=list(alert_ids))
        .select_related("instance")
        .prefetch_related("instance__groups", "instance__tags")
        .order_by("-severity", "pk")
    )


def _load_told(alert_ids: Iterable[int]) -> dict[tuple[int, int], Told]:
    since = Q(alert__transitions__created_at__gt=F("told_at"))
    rows = Telling.objects.filter(alert__in=list(alert_ids)).annotate(
        mildest=Min("alert__transitions__severity", filter=since)
    )
    return {
        (alert, channel): Told(*heard)
        for alert, channel, *heard in rows.values_list(
            "alert_id", "channel_id", "severity", "remind_at", "recovery_told", "told_at", "mildest"
        )
    }


def load_routes() -> dict[int, list[RouteFacts]]:
    """Return the routes in force, by channel."""
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
        least_severe=row.least_severe,
        rules=frozenset(row.rules),
        groups=frozenset(group.pk for group in row.groups.all()),
        tags=frozenset(tag.pk for tag in row.tags.all()),
        digest_every=row.digest_every,
        remind_every=row.remind_every,
        tell_recovery=row.tell_recovery,
        quiet=quiet,
    )


def _quiet_hours(begin: time, end: time, zone: str) -> QuietHours | None:
    try:
        return QuietHours(begin, end, ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        # An unknown zone keeps nothing quiet, and the other routes go on.
        logger.error(
            "a route has the time zone %r, which is not known: no quiet hours",
            zone,
            extra={"action": "quiet_hours_unreadable"},
        )
        return None


def _facts(alert: Alert, silenced: bool, taken_over: bool) -> AlertFacts:
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
        taken_over=taken_over,
    )
