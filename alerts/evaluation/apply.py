"""What do new answers mean for the alerts that are open? Opens, moves and ends them.

Safe to run twice and at the same time as itself: every write is a compare-and-swap, and one
open alert is all the database lets a rule have for a subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from alerts.evaluation.findings import Answers, Said
from alerts.evaluation.transitions import (
    change_severity,
    fire,
    happen_again,
    note_clear,
    note_return,
    open_alerts,
    record_events,
    resolve,
)
from alerts.models import Alert
from alerts.rules import RULES
from alerts.states import AlertStatus

_LONGEST_MESSAGE = 500
LONGEST_EVALUATION = timedelta(minutes=10)


@dataclass(slots=True)
class MovedAlerts:
    """How many alerts an evaluation moved."""

    opened: int = 0
    fired: int = 0
    changed: int = 0
    resolved: int = 0

    @property
    def anything(self) -> bool:
        return bool(self.opened or self.fired or self.changed or self.resolved)

    def __add__(self, other: MovedAlerts) -> MovedAlerts:
        return MovedAlerts(
            self.opened + other.opened,
            self.fired + other.fired,
            self.changed + other.changed,
            self.resolved + other.resolved,
        )


def apply_answers(answers: Answers, standing: QuerySet[Alert], now: datetime) -> MovedAlerts:
    """Bring the open alerts of a scope in line with everything that was said of it."""
    outcome = MovedAlerts()
    known = set(standing.values_list("rule", "subject"))
    events = [said for said in answers.said.values() if said.rule.event]
    new = [
        build_alert(said, now)
        for key, said in answers.said.items()
        if key not in known and not said.rule.event
    ]
    opened = open_alerts(new) if new else []
    outcome.opened = len(opened)
    if events:
        outcome.opened += record_events([build_alert(said, now) for said in events], now=now)
    outcome.fired = sum(alert.status == AlertStatus.FIRING for alert in opened)
    # In one transaction: a sweep that writes hundreds of rows waits for the disk once.
    with transaction.atomic():
        # Locked in one order, so that two evaluations wait for each other and not both for ever.
        rows = {
            (alert.rule, alert.subject): alert
            for alert in standing.order_by("id").select_for_update()
            if (alert.rule, alert.subject) in known
        }
        _continue(rows, answers, now, outcome)
        _end(rows, answers, now, outcome)
    return outcome


def build_alert(said: Said, now: datetime) -> Alert:
    """Return a new alert, not saved; ``open_alerts`` gives it its status."""
    subject, finding = said.subject, said.finding
    return Alert(
        rule=said.rule.name,
        subject=subject.key,
        subject_name=subject.name[:200],
        instance_id=subject.instance_id,
        schedule_id=subject.schedule_id,
        repository_id=subject.repository_id,
        job_id=subject.job_id,
        cause=subject.cause or subject.key,
        severity=said.severity,
        message=finding.message[:_LONGEST_MESSAGE],
        explanation=said.rule.explanation,
        hint=finding.hint or said.rule.hint,
        facts_at_first=dict(finding.facts),
        facts=dict(finding.facts),
        episode=finding.episode,
        opened_at=now,
        fires_at=now + said.pending_for,
        seen_at=now,
    )


def _continue(
    known: dict[tuple[str, str], Alert], answers: Answers, now: datetime, outcome: MovedAlerts
) -> None:
    """Go on with the alerts whose rule found the same again."""
    seen: list[Alert] = []
    for key, said in answers.said.items():
        if (alert := known.get(key)) is None:
            continue
        seen.append(alert)
        if alert.clear_since is not None:
            note_return(alert)
        again = bool(said.finding.episode) and said.finding.episode != alert.episode
        if again and alert.status == AlertStatus.ACKNOWLEDGED:
            outcome.changed += happen_again(alert, now=now, reason=f"again: {said.finding.message}")
        if alert.severity != said.severity:
            outcome.changed += change_severity(alert, said.severity, now=now)
        if alert.status == AlertStatus.PENDING and alert.fires_at <= now:
            outcome.fired += fire(alert, now=now)
        _retell(alert, said)
    Alert.objects.filter(pk__in=[alert.pk for alert in seen]).update(seen_at=now)


def _retell(alert: Alert, said: Said) -> None:
    """Keep what the rule says now; what it said first stays beside it."""
    fresh = build_alert(said, alert.opened_at)
    names = [
        name
        for name in ("message", "facts", "hint", "cause", "job_id", "repository_id", "episode")
        if getattr(alert, name) != getattr(fresh, name)
    ]
    if names:
        Alert.objects.filter(pk=alert.pk).update(**{name: getattr(fresh, name) for name in names})


def _end(
    known: dict[tuple[str, str], Alert], answers: Answers, now: datetime, outcome: MovedAlerts
) -> None:
    """Resolve what nobody found again, at once or when it has been gone for long enough."""
    over = [
        alert
        for key, alert in known.items()
        if key not in answers.said
        and alert.rule not in answers.broken
        # Found by an evaluation that began later than this one, and knew more; unless the
        # clock was set back since.
        and not now < alert.seen_at < now + LONGEST_EVALUATION
    ]
    note_clear([alert for alert in over if alert.clear_since is None], now=now)
    for alert in over:
        clear_since = alert.clear_since or now
        if now >= clear_since + _damping_of(alert):
            outcome.resolved += resolve(alert, now=now, reason=_why_over(alert))


def _damping_of(alert: Alert) -> timedelta:
    rule = RULES.get(alert.rule)
    # What never fired was told to nobody: nothing is gained by waiting for it to come back.
    if rule is None or alert.status == AlertStatus.PENDING:
        return timedelta(0)
    return rule.damping


def _why_over(alert: Alert) -> str:
    if alert.rule not in RULES:
        return "there is no such rule any more"
    return "the rule finds nothing any more"
