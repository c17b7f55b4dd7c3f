"""Which alerts were resolved only because a worse one about the same subject or job took over?

A late run that was then missed did not recover: a channel that was notified that it is late is
notified that it was missed, and of the recovery from that.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from alerts.models import Alert
from alerts.rules import RULES
from alerts.states import OPEN_ALERT_STATUSES, AlertStatus


def find_superseded(alerts: Iterable[Alert]) -> set[int]:
    """Return the ids of those among ``alerts``; no query if none can have a successor."""
    resolved = [alert for alert in alerts if _successors(alert)]
    if not resolved:
        return set()
    same_subject_or_job = Q(subject__in=[alert.subject for alert in resolved]) | Q(
        job__in=[alert.job_id for alert in resolved if alert.job_id is not None]
    )
    successors = Alert.objects.filter(
        same_subject_or_job,
        rule__in={rule for alert in resolved for rule in _successors(alert)},
        status__in=OPEN_ALERT_STATUSES,
    )
    rows = list(successors.values_list("rule", "subject", "job_id"))
    return {alert.pk for alert in resolved if any(_supersedes(alert, *row) for row in rows)}


def _successors(alert: Alert) -> tuple[str, ...]:
    rule = RULES.get(alert.rule)
    resolved = alert.status == AlertStatus.RESOLVED
    return rule.superseded_by if rule is not None and resolved else ()


def _supersedes(alert: Alert, rule: str, subject: str, job_id: int | None) -> bool:
    same_job = job_id is not None and job_id == alert.job_id
    return rule in _successors(alert) and (same_job or subject == alert.subject)
