"""Which notification is due for an alert on a channel, and when?

Pure functions of the alert, what the channel was notified of, and the time. No queries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from alerts.states import AlertStatus, NotificationKind, Severity

# Sent only by routes that name the rule.
SUCCESS_RULES = frozenset({"backup_succeeded"})
# At most one escalation per interval after the severity had dropped: some alerts hover around a
# threshold.
ESCALATION_INTERVAL = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of day to another; over midnight if the second is earlier."""

    begin: time
    end: time
    zone: ZoneInfo

    def end_after(self, now: datetime) -> datetime | None:
        """Return when the quiet hours in force at ``now`` end; None outside of them."""
        local = now.astimezone(self.zone)
        clock = local.time()
        if self.begin <= self.end:
            quiet = self.begin <= clock < self.end
        else:
            quiet = clock >= self.begin or clock < self.end
        if not quiet:
            return None
        day = local.date() + timedelta(days=clock >= self.end)
        return datetime.combine(day, self.end, self.zone)


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A route, as plain values."""

    pk: int
    channel: int
    min_severity: int
    rules: frozenset[str] = frozenset()
    groups: frozenset[int] = frozenset()
    tags: frozenset[int] = frozenset()
    digest_every: timedelta | None = None
    remind_every: timedelta | None = None
    notify_recovery: bool = True
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """An alert, as plain values, and whether it is silenced now."""

    pk: int
    rule: str
    status: str
    severity: int
    cause: str
    groups: frozenset[int] = frozenset()
    tags: frozenset[int] = frozenset()
    silenced: bool = False
    # When it got its status.
    since: datetime | None = None
    # Resolved only because a worse alert took over; that one sends its own notifications.
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class NotifiedState:
    """What a channel was last notified of an alert."""

    severity: int
    remind_at: datetime | None
    recovery_sent: bool = False
    notified_at: datetime | None = None
    # The lowest severity since; None if the severity did not change.
    lowest_severity: int | None = None


@dataclass(frozen=True, slots=True)
class DueNotification:
    """A notification that is due, and the earliest time to send it."""

    kind: NotificationKind
    send_at: datetime
    group_key: str


def choose_route(
    alert: AlertFacts, routes: list[RouteFacts], previous: NotifiedState | None = None
) -> RouteFacts | None:
    """Return the route of one channel that applies to an alert: immediate before digest."""
    if previous and alert.status == AlertStatus.RESOLVED:
        # A route that sent an alert also sends its recovery, even if the severity had dropped
        # since.
        alert = replace(alert, severity=max(alert.severity, previous.severity))
    matching = [route for route in routes if matches(alert, route)]
    return min(matching, key=lambda route: (route.digest_every is not None, route.pk), default=None)


def matches(alert: AlertFacts, route: RouteFacts) -> bool:
    """Whether a route matches an alert."""
    if alert.rule in SUCCESS_RULES:
        matched = alert.rule in route.rules
    else:
        matched = not route.rules or alert.rule in route.rules
        matched = matched and alert.severity >= route.min_severity
    in_groups = not route.groups or bool(route.groups & alert.groups)
    in_tags = not route.tags or bool(route.tags & alert.tags)
    return matched and in_groups and in_tags


def decide_notification(
    alert: AlertFacts, route: RouteFacts, previous: NotifiedState | None, now: datetime
) -> DueNotification | None:
    """Return the notification that is due on the channel of ``route``; None if there is none."""
    kind = _kind(alert, route, previous, now)
    if kind is None:
        return None
    if route.digest_every and kind is not NotificationKind.SUCCESS:
        return DueNotification(
            NotificationKind.DIGEST, now + route.digest_every, f"{route.pk}:digest"
        )
    emergency = alert.severity >= Severity.EMERGENCY
    quiet_until = route.quiet.end_after(now) if route.quiet and not emergency else None
    # What is deferred by quiet hours must not delay what is not.
    timing = "quiet" if quiet_until else "now"
    return DueNotification(
        kind, quiet_until or now, f"{route.pk}:{kind.value}:{timing}:{alert.cause}"
    )


def _kind(
    alert: AlertFacts, route: RouteFacts, previous: NotifiedState | None, now: datetime
) -> NotificationKind | None:
    if alert.rule in SUCCESS_RULES:
        return NotificationKind.SUCCESS if previous is None and not alert.silenced else None
    match alert.status:
        case AlertStatus.RESOLVED:
            due = previous is not None and not previous.recovery_sent and route.notify_recovery
            return NotificationKind.RECOVERY if due and not alert.superseded else None
        case AlertStatus.FIRING | AlertStatus.ACKNOWLEDGED if alert.silenced:
            return None
        case AlertStatus.FIRING if previous is None:
            return NotificationKind.FIRING
        case AlertStatus.FIRING | AlertStatus.ACKNOWLEDGED if (
            previous and alert.severity > previous.severity
        ):
            return NotificationKind.ESCALATION
        case AlertStatus.FIRING if previous and _fired_since(alert, previous):
            return NotificationKind.FIRING
        case AlertStatus.FIRING if previous and _escalated_again(alert, previous, now):
            return NotificationKind.ESCALATION
        case AlertStatus.FIRING if previous and previous.remind_at and previous.remind_at <= now:
            return NotificationKind.REMINDER
        case _:
            return None


def _fired_since(alert: AlertFacts, previous: NotifiedState) -> bool:
    """Whether it fired again after the last notification, having been acknowledged."""
    return bool(alert.since and previous.notified_at and alert.since > previous.notified_at)


def _escalated_again(alert: AlertFacts, previous: NotifiedState, now: datetime) -> bool:
    """Whether the severity dropped after the last notification and has risen again."""
    if (
        previous.lowest_severity is None
        or previous.notified_at is None
        or now - previous.notified_at < ESCALATION_INTERVAL
    ):
        return False
    return alert.severity > previous.lowest_severity
