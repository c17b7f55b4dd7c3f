"""Why is there an alert, what is its history, and which notifications were sent?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict

from alerts.models import Alert, AlertTransition, Notification
from alerts.routing.silences import Matcher, load_silences, silence_of, with_traits
from alerts.rules import RULES
from alerts.states import Severity
from backups.health.clock_jump import HELD
from monitor.selectors.alerts import title_of

MOST_ROWS = 100


@dataclass(frozen=True, slots=True)
class FactRow:
    """One fact of the rule: of the first and of the newest finding."""

    name: str
    first: object
    now: object

    @property
    def changed(self) -> bool:
        return self.first != self.now


@dataclass(frozen=True, slots=True)
class TransitionRow:
    transition: AlertTransition

    @property
    def severity(self) -> str:
        return Severity(self.transition.severity).label.lower()


@dataclass(frozen=True, slots=True)
class AlertView:
    """The page of one alert."""

    alert: Alert
    title: str
    severity: str
    # When it is resolved, as a sentence; blank if the rule no longer exists.
    resolves_when: str
    facts: Sequence[FactRow]
    transitions: Sequence[TransitionRow]
    notifications: Sequence[Notification]
    silence: Matcher | None

    @property
    def holds_expiry(self) -> bool:
        """Whether a task that deletes waits for an admin, who confirms on a page of its own."""
        return self.alert.open_key is not None and HELD in self.alert.message


def load_alert(pk: int, now: datetime) -> AlertView | None:
    """Load the page of an alert; None if it does not exist."""
    related = ("schedule", "repository", "job", "acknowledged_by")
    alert = with_traits(Alert.objects.select_related(*related)).filter(pk=pk).first()
    if alert is None:
        return None
    rule = RULES.get(alert.rule)
    return AlertView(
        alert=alert,
        title=title_of(alert.rule),
        severity=Severity(alert.severity).label.lower(),
        resolves_when=rule.resolves_when if rule else "",
        facts=compare_facts(alert),
        transitions=[TransitionRow(row) for row in alert.transitions.order_by("-id")[:MOST_ROWS]],
        notifications=list(
            alert.notifications.select_related("channel").order_by("-id")[:MOST_ROWS]
        ),
        silence=silence_of(alert, load_silences(now), now) if alert.open_key else None,
    )


def compare_facts(alert: Alert) -> list[FactRow]:
    """Return first and newest facts side by side, in the order of the rule."""
    first, newest = alert.first_facts or {}, alert.facts or {}
    names = dict.fromkeys([*newest, *first])
    return [FactRow(name.replace("_", " "), first.get(name), newest.get(name)) for name in names]


def silence_address(alert: Alert) -> str:
    """Return the query string that presets the form of a silence for this alert."""

    query = QueryDict(mutable=True)
    query["rule"] = alert.rule
    if alert.instance is not None:
        query["instances"] = alert.instance.name
    if alert.schedule is not None and alert.instance is None:
        query["schedule"] = alert.schedule.name
    return query.urlencode()
