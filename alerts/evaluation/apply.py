"""How do new results change the open alerts? Opens, updates and resolves them.

Safe to run twice and concurrently: every write is a compare-and-swap, and the database allows
one open alert per rule and subject.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from alerts.evaluation.findings import RuleResult, RuleResults
from alerts.evaluation.transitions import (
    change_severity,
    fire,
    fire_again,
    mark_clear,
    mark_recurred,
    open_alerts,
    record_events,
    resolve,
)
from alerts.models import Alert
from alerts.rules import RULES
from alerts.states import AlertStatus

_LONGEST_MESSAGE = 500
LONGEST_EVALUATION = timedelta(minutes=10)
# Every few seconds the same problems are found again. That is stored only this often: at rest it
# would be most of what Mooring writes. Whoever would resolve an alert meanwhile looks once more.
STORED_EVERY = timedelta(seconds=60)


@dataclass(slots=True)
class EvaluationOutcome:
    """How many alerts an evaluation changed."""

    opened: int = 0
    fired: int = 0
    changed: int = 0
    resolved: int = 0

    @property
    def changed_anything(self) -> bool:
        return bool(self.opened or self.fired or self.changed or self.resolved)

    def __add__(self, other: EvaluationOutcome) -> EvaluationOutcome:
        return EvaluationOutcome(
            self.opened + other.opened,
            self.fired + other.fired,
            self.changed + other.changed,
            self.resolved + other.resolved,
        )


def apply_results(
    results: RuleResults,
    open_before: QuerySet[Alert],
    now: datetime,
    *,
    recheck: Callable[[], RuleResults] | None = None,
) -> EvaluationOutcome:
    """Bring the open alerts of a scope in line with all results of that scope.

    ``recheck`` checks the rules on facts as they are by then. Without it every finding is stored.
    """
    outcome = EvaluationOutcome()
    known = set(open_before.values_list("rule", "subject"))
    events = [result for result in results.by_key.values() if result.rule.event]
    new = [
        build_alert(result, now)
        for key, result in results.by_key.items()
        if key not in known and not result.rule.event
    ]
    opened = open_alerts(new) if new else []
    outcome.opened = len(opened)
    if events:
        outcome.opened += record_events([build_alert(result, now) for result in events], now=now)
    outcome.fired = sum(alert.status == AlertStatus.FIRING for alert in opened)
    # One transaction: a full evaluation that writes hundreds of rows syncs the disk once.
    with transaction.atomic():
        # Locked in a fixed order, so that two evaluations cannot deadlock.
        rows = {
            _key(alert): alert
            for alert in open_before.order_by("id").select_for_update()
            if _key(alert) in known
        }
        stored_every = STORED_EVERY if recheck else timedelta(0)
        _continue(rows, results, now, outcome, stored_every)
        cleared = _confirmed(_cleared(rows, results, now), recheck, now)
        _resolve(cleared, now, outcome)
    return outcome


def build_alert(result: RuleResult, now: datetime) -> Alert:
    """Return a new, unsaved alert; ``open_alerts`` sets its status."""
    subject, finding = result.subject, result.finding
    return Alert(
        rule=result.rule.name,
        subject=subject.key,
        subject_name=subject.name[:200],
        instance_id=subject.instance_id,
        schedule_id=subject.schedule_id,
        repository_id=subject.repository_id,
        job_id=subject.job_id,
        cause=subject.cause or subject.key,
        severity=result.severity,
        message=finding.message[:_LONGEST_MESSAGE],
        explanation=result.rule.explanation,
        hint=finding.hint or result.rule.hint,
        first_facts=dict(finding.facts),
        facts=dict(finding.facts),
        episode=finding.episode,
        opened_at=now,
        fires_at=now + result.pending_for,
        last_found_at=now,
    )


def _continue(
    known: dict[tuple[str, str], Alert],
    results: RuleResults,
    now: datetime,
    outcome: EvaluationOutcome,
    stored_every: timedelta,
) -> None:
    """Update the alerts whose rule found the same problem again."""
    found_again: list[int] = []
    for key, result in results.by_key.items():
        if (alert := known.get(key)) is None:
            continue
        if not timedelta(0) <= now - alert.last_found_at < stored_every:
            found_again.append(alert.pk)
        if alert.clear_since is not None:
            mark_recurred(alert)
        new_episode = bool(result.finding.episode) and result.finding.episode != alert.episode
        if new_episode and alert.status == AlertStatus.ACKNOWLEDGED:
            outcome.changed += fire_again(alert, now=now, reason=f"again: {result.finding.message}")
        if alert.severity != result.severity:
            outcome.changed += change_severity(alert, result.severity, now=now)
        if alert.status == AlertStatus.PENDING and alert.fires_at <= now:
            outcome.fired += fire(alert, now=now)
        _update_finding(alert, result)
    if found_again:
        Alert.objects.filter(pk__in=found_again).update(last_found_at=now)


def _update_finding(alert: Alert, result: RuleResult) -> None:
    """Store the newest finding; the first one is kept beside it."""
    fresh = build_alert(result, alert.opened_at)
    names = [
        name
        for name in ("message", "facts", "hint", "cause", "job_id", "repository_id", "episode")
        if getattr(alert, name) != getattr(fresh, name)
    ]
    if names:
        Alert.objects.filter(pk=alert.pk).update(**{name: getattr(fresh, name) for name in names})


def _cleared(
    known: Mapping[tuple[str, str], Alert], results: RuleResults, now: datetime
) -> list[Alert]:
    """Return the alerts whose rule did not find the problem again."""
    return [
        alert
        for key, alert in known.items()
        if key not in results.by_key
        and alert.rule not in results.broken
        # A concurrent evaluation that started later has found it; unless the clock was set
        # back in between.
        and not now < alert.last_found_at < now + LONGEST_EVALUATION
    ]


def _confirmed(
    cleared: list[Alert], recheck: Callable[[], RuleResults] | None, now: datetime
) -> list[Alert]:
    """Look again where an evaluation that started later may have found it without storing that.

    The rows are locked: what is read now is not older than what any other has applied.
    """
    if recheck and any(now - alert.last_found_at < STORED_EVERY for alert in cleared):
        return _cleared({_key(alert): alert for alert in cleared}, recheck(), now)
    return cleared


def _key(alert: Alert) -> tuple[str, str]:
    return alert.rule, alert.subject


def _resolve(cleared: list[Alert], now: datetime, outcome: EvaluationOutcome) -> None:
    """Resolve alerts without a finding, at once or after the damping time of their rule."""
    mark_clear([alert for alert in cleared if alert.clear_since is None], now=now)
    for alert in cleared:
        clear_since = alert.clear_since or now
        if now >= clear_since + _damping_of(alert):
            outcome.resolved += resolve(alert, now=now, reason=_resolve_reason(alert))


def _damping_of(alert: Alert) -> timedelta:
    rule = RULES.get(alert.rule)
    # A pending alert was never notified: no damping is needed.
    if rule is None or alert.status == AlertStatus.PENDING:
        return timedelta(0)
    return rule.damping


def _resolve_reason(alert: Alert) -> str:
    if alert.rule not in RULES:
        return "the rule no longer exists"
    return "the rule no longer finds it"
