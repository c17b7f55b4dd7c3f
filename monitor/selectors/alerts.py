"""Which alerts are open, the most severe and oldest first, and which are resolved?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet

from alerts.models import Alert
from alerts.routing.silences import load_silences, silence_of, with_traits
from alerts.rules import RULES
from alerts.states import OPEN_ALERT_STATUSES, AlertStatus, Severity
from backups.models import Instance
from monitor.selectors.silenced import silenced_q

PAGE_SIZE = 20
# Large columns that the lists do not show.
DEFERRED_COLUMNS = ("facts", "first_facts", "explanation")


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert in a list."""

    alert: Alert
    # The comment of the active silence; blank if it is not silenced.
    silenced_by: str = ""

    @property
    def severity(self) -> str:
        return Severity(self.alert.severity).label.lower()

    @property
    def title(self) -> str:
        return title_of(self.alert.rule)


@dataclass(frozen=True, slots=True)
class SeverityTile:
    """How many open alerts have one severity."""

    word: str
    count: int
    tone: str
    value: int
    note: str


@dataclass(frozen=True, slots=True)
class AlertList:
    """One page of alerts."""

    page: Page[Alert]
    rows: Sequence[AlertRow]


def title_of(rule: str) -> str:
    """Return the title of a rule; its name if it no longer exists."""
    return RULES[rule].title if rule in RULES else rule


# Any: what a filter form has chosen.
def load_open(chosen: Mapping[str, Any], page: str | None, now: datetime) -> AlertList:
    """Load a page of open alerts: the most severe first, then the oldest."""
    silences = load_silences(now)
    alerts = _filtered(Alert.objects.filter(status__in=OPEN_ALERT_STATUSES), chosen)
    if chosen["status"]:
        alerts = alerts.filter(status=chosen["status"])
    if chosen["silenced"]:
        silenced = silenced_q(silences, now)
        alerts = alerts.filter(silenced if chosen["silenced"] == "yes" else ~silenced)
    shown = Paginator(_for_list(alerts.order_by("-severity", "opened_at", "id")), PAGE_SIZE)
    current = shown.get_page(page)
    rows = []
    for alert in current:
        silence = silence_of(alert, silences, now)
        rows.append(AlertRow(alert, (silence.comment or "a silence") if silence else ""))
    return AlertList(current, rows)


def load_history(chosen: Mapping[str, Any], page: str | None) -> AlertList:
    """Load a page of resolved alerts, the newest first."""
    resolved = _filtered(Alert.objects.filter(status=AlertStatus.RESOLVED), chosen)
    current = Paginator(_for_list(resolved.order_by("-opened_at", "-id")), PAGE_SIZE).get_page(page)
    return AlertList(current, [AlertRow(alert) for alert in current])


def count_severities(now: datetime) -> list[SeverityTile]:
    """Count open alerts by severity, and the acknowledged ones among them."""
    open_alerts = Alert.objects.filter(status__in=OPEN_ALERT_STATUSES).order_by()
    counts: dict[int, int] = {}
    acknowledged: dict[int, int] = {}
    for severity, status, count in open_alerts.values_list("severity", "status").annotate(
        Count("id")
    ):
        counts[severity] = counts.get(severity, 0) + count
        if status == AlertStatus.ACKNOWLEDGED:
            acknowledged[severity] = count
    return [_tile(severity, counts, acknowledged) for severity in sorted(Severity, reverse=True)]


def _tile(
    severity: Severity, counts: Mapping[int, int], acknowledged: Mapping[int, int]
) -> SeverityTile:
    count, of_these = counts.get(severity, 0), acknowledged.get(severity, 0)
    tone = _TONES[severity] if count else ""
    note = f"{of_these} acknowledged" if of_these else ""
    return SeverityTile(severity.label, count, tone, severity.value, note)


_TONES = {
    Severity.EMERGENCY: "bad",
    Severity.CRITICAL: "bad",
    Severity.WARNING: "warn",
    Severity.NOTICE: "busy",
}


def _filtered(alerts: QuerySet[Alert], chosen: Mapping[str, Any]) -> QuerySet[Alert]:
    if chosen["severity"] is not None:
        alerts = alerts.filter(severity__gte=chosen["severity"])
    if chosen["rule"]:
        alerts = alerts.filter(rule=chosen["rule"])
    if chosen["instance"]:
        alerts = alerts.filter(instance__name=chosen["instance"].strip())
    if chosen["group"]:
        members = Instance.groups.through.objects.filter(instancegroup=chosen["group"])
        alerts = alerts.filter(instance__in=members.values("instance"))
    if chosen["tag"]:
        tagged = Instance.tags.through.objects.filter(tag=chosen["tag"])
        alerts = alerts.filter(instance__in=tagged.values("instance"))
    return alerts


def _for_list(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    related = alerts.select_related("schedule", "repository", "acknowledged_by")
    return with_traits(related).defer(*DEFERRED_COLUMNS)
