"""Is an alert silenced? It stays visible, but sends no notification.

Silences are read once, in a fixed number of queries, and matched in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from django.db.models import Q, QuerySet

from alerts.models import Alert, Silence
from alerts.states import Severity


@dataclass(frozen=True, slots=True)
class Traits:
    """The values of an alert that silences match."""

    rule: str
    severity: int
    instance_id: int | None = None
    schedule_id: int | None = None
    group_ids: frozenset[int] = frozenset()
    tag_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Matcher:
    """A silence, as plain values: what it matches, and when."""

    id: int
    comment: str
    starts_at: datetime
    ends_at: datetime | None = None
    rule: str = ""
    max_severity: int = Severity.EMERGENCY
    instance_ids: frozenset[int] = frozenset()
    group_ids: frozenset[int] = frozenset()
    tag_ids: frozenset[int] = frozenset()
    schedule_ids: frozenset[int] = frozenset()
    cron: str = ""
    time_zone: str = "UTC"
    duration: timedelta | None = None

    def is_active_at(self, now: datetime) -> bool:
        """Whether it is active: from its start until just before its end."""
        if now < self.starts_at or (self.ends_at is not None and now >= self.ends_at):
            return False
        return not self.cron or self._within_recurrence(now)

    def matches(self, alert: Traits) -> bool:
        """Whether every matcher that is set matches."""
        if alert.severity > self.max_severity or (self.rule and self.rule != alert.rule):
            return False
        return (
            (not self.instance_ids or alert.instance_id in self.instance_ids)
            and (not self.schedule_ids or alert.schedule_id in self.schedule_ids)
            and (not self.group_ids or bool(self.group_ids & alert.group_ids))
            and (not self.tag_ids or bool(self.tag_ids & alert.tag_ids))
        )

    def _within_recurrence(self, now: datetime) -> bool:
        """Whether the cron expression has a time within the last ``duration``."""
        if self.duration is None:
            return False
        try:
            # The library returns the first time after a full second, in local time.
            earliest = now - self.duration
            local = earliest.astimezone(ZoneInfo(self.time_zone))
            start = next(CronSim(self.cron, local))
        except (CronSimError, ZoneInfoNotFoundError, OverflowError, ValueError, StopIteration):
            # An invalid recurrence silences nothing.
            return False
        return earliest < start <= now


def load_silences(now: datetime) -> list[Matcher]:
    """Read the silences that have started and not ended, in five queries."""
    rows = Silence.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=now), starts_at__lte=now
    ).prefetch_related("instances", "groups", "tags", "schedules")
    return [matcher_of(row) for row in rows.order_by("id")]


def matcher_of(row: Silence) -> Matcher:
    return Matcher(
        id=row.pk,
        comment=row.comment,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        rule=row.rule,
        max_severity=row.max_severity,
        instance_ids=frozenset(instance.pk for instance in row.instances.all()),
        group_ids=frozenset(group.pk for group in row.groups.all()),
        tag_ids=frozenset(tag.pk for tag in row.tags.all()),
        schedule_ids=frozenset(schedule.pk for schedule in row.schedules.all()),
        cron=row.cron,
        time_zone=row.time_zone,
        duration=row.duration,
    )


def with_traits(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """Prefetch the groups and tags of each alert's instance, in two more queries."""
    return alerts.select_related("instance").prefetch_related("instance__groups", "instance__tags")


def traits_of(alert: Alert) -> Traits:
    """Return the traits of an alert; without ``with_traits`` this queries the database."""
    instance = alert.instance
    return Traits(
        rule=alert.rule,
        severity=alert.severity,
        instance_id=alert.instance_id,
        schedule_id=alert.schedule_id,
        group_ids=frozenset(group.pk for group in instance.groups.all())
        if instance
        else frozenset(),
        tag_ids=frozenset(tag.pk for tag in instance.tags.all()) if instance else frozenset(),
    )


def silence_of(alert: Alert, silences: Iterable[Matcher], now: datetime) -> Matcher | None:
    """Return the first active silence that matches an alert."""
    traits = traits_of(alert)
    active = (silence for silence in silences if silence.is_active_at(now))
    return next((silence for silence in active if silence.matches(traits)), None)


def is_silenced(alert: Alert, silences: Sequence[Matcher], now: datetime) -> bool:
    return silence_of(alert, silences, now) is not None
