"""Which alerts does a silence hold for now, as a question to the database?

The answer is that of alerts.routing.silences, which asks one alert at a time; a list of thousands
is filtered and counted by this one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from alerts.routing.silences import Matcher
from backups.models import Instance

NOTHING = Q(pk__in=[])


def silenced_q(silences: Iterable[Matcher], now: datetime) -> Q:
    """Return what fits the alerts that are silenced at ``now``."""
    found = NOTHING
    for silence in silences:
        if silence.is_active_at(now):
            found |= _fits(silence)
    return found


def _fits(silence: Matcher) -> Q:
    fits = Q(severity__lte=silence.max_severity)
    if silence.rule:
        fits &= Q(rule=silence.rule)
    if silence.instance_ids:
        fits &= Q(instance__in=silence.instance_ids)
    if silence.schedule_ids:
        fits &= Q(schedule__in=silence.schedule_ids)
    if silence.group_ids:
        members = Instance.groups.through.objects.filter(instancegroup__in=silence.group_ids)
        fits &= Q(instance__in=members.values("instance"))
    if silence.tag_ids:
        tagged = Instance.tags.through.objects.filter(tag__in=silence.tag_ids)
        fits &= Q(instance__in=tagged.values("instance"))
    return fits
