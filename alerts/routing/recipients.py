"""Who is told what of an alert now, and when?

Pure: what the alert is, what a channel has heard of it, and the clock go in. Severities and
matchers are compared as stored; nothing here reads a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from alerts.models import MessageKind
from alerts.states import AlertStatus, Severity

# Good news: told only where a route asks for it by name.
SUCCESS_RULES = frozenset({"backup_succeeded"})
# What gets worse again after it was milder is told this often at most: some hover at a threshold.
WORSE_AGAIN_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Between two times of a wall clock; across midnight where the second is the earlier."""

    begin: time
    end: time
    zone: ZoneInfo

    def end_after(self, now: datetime) -> datetime | None:
        """Return when the quiet that reigns at ``now`` ends; None when it does not reign."""
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
    """A route, without its row."""

    pk: int
    channel: int
    least_severe: int
    rules: frozenset[str] = frozenset()
    groups: frozenset[int] = frozenset()
    tags: frozenset[int] = frozenset()
    digest_every: timedelta | None = None
    remind_every: timedelta | None = None
    tell_recovery: bool = True
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """An alert, without its row, and whether it is silenced at this moment."""

    pk: int
    rule: str
    status: str
    severity: int
    cause: str
    groups: frozenset[int] = frozenset()
    tags: frozenset[int] = frozenset()
    silenced: bool = False
    # Since when it has its status.
    since: datetime | None = None
    # It ended because something worse began, which is told by itself.
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What a channel has heard of an alert."""

    severity: int
    remind_at: datetime | None
    recovery_told: bool = False
    told_at: datetime | None = None
    # How mild it has been since; None where its severity did not change.
    mildest: int | None = None


@dataclass(frozen=True, slots=True)
class WantedMessage:
    """A message that is wanted, and not before when."""

    kind: MessageKind
    send_at: datetime
    group_key: str


def choose_route(
    alert: AlertFacts, routes: list[RouteFacts], told: Told | None = None
) -> RouteFacts | None:
    """Return the route of one channel that counts for an alert: at once before a digest."""
    if told and alert.status == AlertStatus.RESOLVED:
        # Whoever was told how bad it is hears of its end, though it was milder by then.
        alert = replace(alert, severity=max(alert.severity, told.severity))
    fitting = [route for route in routes if matches(alert, route)]
    return min(fitting, key=lambda route: (route.digest_every is not None, route.pk), default=None)


def matches(alert: AlertFacts, route: RouteFacts) -> bool:
    """Whether a route is for an alert."""
    if alert.rule in SUCCESS_RULES:
        wanted = alert.rule in route.rules
    else:
        wanted = not route.rules or alert.rule in route.rules
        wanted = wanted and alert.severity >= route.least_severe
    in_groups = not route.groups or bool(route.groups & alert.groups)
    in_tags = not route.tags or bool(route.tags & alert.tags)
    return wanted and in_groups and in_tags


def decide_message(
    alert: AlertFacts, route: RouteFacts, told: Told | None, now: datetime
) -> WantedMessage | None:
    """Say what the channel of ``route`` has to hear of an alert now; None where nothing."""
    kind = _kind(alert, route, told, now)
    if kind is None:
        return None
    if route.digest_every and kind is not MessageKind.SUCCESS:
        return WantedMessage(MessageKind.DIGEST, now + route.digest_every, f"{route.pk}:digest")
    loud = alert.severity >= Severity.EMERGENCY
    quiet_until = route.quiet.end_after(now) if route.quiet and not loud else None
    # What waits for the morning must not hold back what does not.
    pace = "quiet" if quiet_until else "now"
    return WantedMessage(kind, quiet_until or now, f"{route.pk}:{kind.value}:{pace}:{alert.cause}")


def _kind(
    alert: AlertFacts, route: RouteFacts, told: Told | None, now: datetime
) -> MessageKind | None:
    if alert.rule in SUCCESS_RULES:
        return MessageKind.SUCCESS if told is None and not alert.silenced else None
    match alert.status:
        case AlertStatus.RESOLVED:
            due = told is not None and not told.recovery_told and route.tell_recovery
            return MessageKind.RECOVERY if due and not alert.taken_over else None
        case AlertStatus.FIRING | AlertStatus.ACKNOWLEDGED if alert.silenced:
            return None
        case AlertStatus.FIRING if told is None:
            return MessageKind.FIRING
        case AlertStatus.FIRING | AlertStatus.ACKNOWLEDGED if (
            told and alert.severity > told.severity
        ):
            return MessageKind.WORSE
        case AlertStatus.FIRING if told and _fired_anew(alert, told):
            return MessageKind.FIRING
        case AlertStatus.FIRING if told and _worse_again(alert, told, now):
            return MessageKind.WORSE
        case AlertStatus.FIRING if told and told.remind_at and told.remind_at <= now:
            return MessageKind.REMINDER
        case _:
            return None


def _fired_anew(alert: AlertFacts, told: Told) -> bool:
    """Whether it began to fire after it was told of: somebody had acknowledged it in between."""
    return bool(alert.since and told.told_at and alert.since > told.told_at)


def _worse_again(alert: AlertFacts, told: Told, now: datetime) -> bool:
    """Whether it was milder since it was told of: what was heard is not what happened now."""
    if told.mildest is None or told.told_at is None or now - told.told_at < WORSE_AGAIN_EVERY:
        return False
    return alert.severity > told.mildest
