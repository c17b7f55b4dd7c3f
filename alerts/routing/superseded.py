"""Which alerts ended only because something worse began with the same subject or job?

A late run that was missed did not recover: whoever heard that it is late hears that it was missed,
and of the end of that.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from alerts.models import Alert
from alerts.rules import RULES
from alerts.states import OPEN_ALERT_STATUSES, AlertStatus


def find_taken_over(alerts: Iterable[Alert]) -> set[int]:
    """Return the ids of those among ``alerts``; asks nothing where none has a successor."""
    ended = [alert for alert in alerts if _successors(alert)]
    if not ended:
        return set()
    same = Q(subject__in=[each.subject for each in ended]) | Q(
        job__in=[each.job_id for each in ended if each.job_id is not None]
    )
    standing = Alert.objects.filter(
        same,
        rule__in={rule for each in ended for rule in _successors(each)},
        status__in=OPEN_ALERT_STATUSES,
    )
    rows = list(standing.values_list("rule", "subject", "job_id"))
    return {each.pk for each in ended if any(_goes_on(each, *row) for row in rows)}


def _successors(alert: Alert) -> tuple[str, ...]:
    rule = RULES.get(alert.rule)
    over = alert.status == AlertStatus.RESOLVED
    return rule.taken_over_by if rule is not None and over else ()


def _goes_on(alert: Alert, rule: str, subject: str, job_id: int | None) -> bool:
    same_job = job_id is not None and job_id == alert.job_id
    return rule in _successors(alert) and (same_job or subject == alert.subject)
