"""The only module that writes the status of an alert. Every write can lose a race.

Each write records a transition; ``alerts.routing.outbox`` queues notifications for new transitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import F

from alerts.models import Alert, AlertTransition
from alerts.states import ALERT_MOVES, AlertStatus, Severity
from backups.exceptions import IllegalTransition

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def open_key_of(rule: str, subject: str) -> str:
    """Return the key that only one open alert may have."""
    return f"{rule}|{subject}"


def open_alerts(alerts: Sequence[Alert]) -> list[Alert]:
    """Create new alerts, pending or firing; return those that were not open already.

    In bulk, because a failed network switch opens hundreds; one by one after a conflict with a
    concurrent evaluation.
    """
    for alert in alerts:
        _start(alert)
    try:
        return _create(alerts)
    except IntegrityError:
        return [alert for alert in alerts if _create_one(alert)]


@transaction.atomic
def record_events(alerts: Sequence[Alert], *, now: datetime) -> int:
    """Create alerts that are resolved at once; return how many were new."""
    for alert in alerts:
        _start(alert)
    created = _create(alerts)
    # The open keys are ours: a concurrent run that was first has committed by now.
    keys = {(alert.rule, alert.subject): alert.pk for alert in created}
    same = Alert.objects.filter(
        rule__in={rule for rule, _ in keys}, subject__in={subject for _, subject in keys}
    ).exclude(pk__in=keys.values())
    known = {keys.pop(key) for key in set(same.values_list("rule", "subject")) & keys.keys()}
    Alert.objects.filter(pk__in=known).delete()
    Alert.objects.filter(pk__in=keys.values()).update(
        status=AlertStatus.RESOLVED, status_since=now, resolved_at=now, open_key=None
    )
    AlertTransition.objects.bulk_create(
        [
            AlertTransition(
                alert=alert,
                created_at=now,
                old_status=AlertStatus.FIRING,
                new_status=AlertStatus.RESOLVED,
                severity=alert.severity,
                reason="an event, not a lasting state",
            )
            for alert in created
            if alert.pk not in known
        ],
        batch_size=200,
    )
    return len(keys)


def fire(alert: Alert, *, now: datetime) -> bool:
    """Fire a pending alert whose finding has lasted long enough."""
    return _move(alert, AlertStatus.FIRING, now=now, fired_at=now)


def change_severity(alert: Alert, severity: Severity, *, now: datetime) -> bool:
    """Raise or lower the severity; a raised one has to be acknowledged again."""
    old = Severity(alert.severity)
    if severity == old:
        return False
    raised = severity > old
    again = raised and alert.status == AlertStatus.ACKNOWLEDGED
    status = AlertStatus.FIRING if again else AlertStatus(alert.status)
    reason = f"{'raised' if raised else 'lowered'}: {old.label} to {severity.label}".lower()
    return _move(
        alert, status, now=now, reason=reason, old_severity=old, severity=severity,
        keeps_status=not again,
    )  # fmt: skip


def acknowledge(
    alert: Alert, *, by: User | None, comment: str, now: datetime, actor: str = ""
) -> bool:
    """Record who acknowledged it, with their comment; ``actor`` where it is not a user."""
    return _move(
        alert,
        AlertStatus.ACKNOWLEDGED,
        now=now,
        actor=by.get_username() if by else actor,
        reason=comment,
        acknowledged_by=by,
        acknowledged_at=now,
        comment=comment,
    )


def fire_again(alert: Alert, *, now: datetime, reason: str) -> bool:
    """Fire an acknowledged alert again: a new failure has not been acknowledged."""
    return _move(alert, AlertStatus.FIRING, now=now, reason=reason)


def resolve(alert: Alert, *, now: datetime, reason: str, actor: str = "") -> bool:
    """Resolve an alert; its subject may then have a new one."""
    return _move(
        alert,
        AlertStatus.RESOLVED,
        now=now,
        reason=reason,
        actor=actor,
        resolved_at=now,
        open_key=None,
    )


def mark_clear(alerts: Iterable[Alert], *, now: datetime) -> int:
    """Record that the finding is gone; after the damping time the alerts are resolved."""
    ids = [alert.pk for alert in alerts]
    return Alert.objects.filter(pk__in=ids, clear_since=None, resolved_at=None).update(
        clear_since=now
    )


def mark_recurred(alert: Alert) -> bool:
    """Record that the finding is back within the damping time; no notification is sent."""
    again = Alert.objects.filter(pk=alert.pk, clear_since__isnull=False, resolved_at=None)
    return bool(again.update(clear_since=None, recurrences=F("recurrences") + 1))


def _start(alert: Alert) -> None:
    fires = alert.fires_at <= alert.opened_at
    alert.status = AlertStatus.FIRING if fires else AlertStatus.PENDING
    alert.status_since = alert.opened_at
    alert.fired_at = alert.opened_at if fires else None
    alert.open_key = open_key_of(alert.rule, alert.subject)


@transaction.atomic
def _create(alerts: Sequence[Alert]) -> list[Alert]:
    created = Alert.objects.bulk_create(alerts, batch_size=200)
    AlertTransition.objects.bulk_create(
        [
            AlertTransition(
                alert=alert,
                created_at=alert.opened_at,
                new_status=alert.status,
                severity=alert.severity,
                reason=alert.message,
            )
            for alert in created
        ],
        batch_size=200,
    )
    return created


def _create_one(alert: Alert) -> bool:
    alert.pk = None
    alert._state.adding = True
    try:
        _create([alert])
    except IntegrityError:
        return False
    return True


def _move(
    alert: Alert,
    to: AlertStatus,
    *,
    now: datetime,
    reason: str = "",
    actor: str = "",
    old_severity: Severity | None = None,
    keeps_status: bool = False,
    **values: object,
) -> bool:
    """Move by compare-and-swap: the WHERE clause is the lock."""
    old = AlertStatus(alert.status)
    if not keeps_status and to not in ALERT_MOVES[old]:
        raise IllegalTransition(f"alert {alert.pk} cannot move from {old} to {to}")
    with transaction.atomic():
        mine = Alert.objects.filter(pk=alert.pk, status=old)
        if old_severity is not None:
            mine = mine.filter(severity=old_severity)
        if not keeps_status:
            values["status_since"] = now
        if not mine.update(status=to, **values):
            return False
        alert.status = to
        for name, value in values.items():
            setattr(alert, name, value)
        AlertTransition.objects.create(
            alert=alert,
            created_at=now,
            old_status=old,
            new_status=to,
            severity=alert.severity,
            actor=actor,
            reason=reason,
        )
    return True
