"""Schedules, occurrences, alerts and channels the pages are tested with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from alerts.models import Route, RuleSetting, Silence
from alerts.states import AlertStatus, Severity
from backups.models import (
    BackupSchedule,
    Instance,
    InstanceGroup,
    Occurrence,
    RecoveryObjective,
    Tag,
)
from backups.states import OccurrenceStatus
from tests.alerts.rows import make_alert, make_webhook
from tests.monitor.rows import make_instance

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


# Any: columns of several types.
def make_schedule(name: str = "nightly", *instances: Instance, **columns: Any) -> BackupSchedule:
    schedule = BackupSchedule.objects.create(name=name, **{"cron": "30 1 * * *", **columns})
    schedule.instances.set(instances)
    return schedule


def make_occurrence(
    schedule: BackupSchedule,
    instance: Instance,
    due_at: datetime,
    status: OccurrenceStatus = OccurrenceStatus.SUCCEEDED,
    **columns: Any,
) -> Occurrence:
    return Occurrence.objects.create(
        schedule=schedule,
        instance=instance,
        due_at=due_at,
        starts_at=due_at,
        late_after=due_at + schedule.grace,
        missed_after=due_at + schedule.window,
        status=status,
        **columns,
    )


def make_addressed(instance: Instance) -> dict[str, str | int]:
    """Create one of everything that has an address, and return how it is addressed."""
    make_schedule(instance.name, instance)
    channel = make_webhook(name=instance.name)
    return {
        "day": "2026-03-02",
        "kind": "webhook",
        "rule": "job_failed",
        "alert": make_alert(instance.name).pk,
        "route": Route.objects.create(channel=channel).pk,
        "silence": Silence.objects.create(comment="patching").pk,
        "objective": RecoveryObjective.objects.create(rpo=HOUR).pk,
        "setting": RuleSetting.objects.create(rule="job_failed", enabled=False).pk,
    }


def make_planned_fleet(size: int, now: datetime) -> None:
    """Create ``size`` of everything the pages list, with a few days of history."""
    group = InstanceGroup.objects.create(name="shop")
    tag = Tag.objects.create(name="prod")
    for n in range(size):
        instance = make_instance(f"orders-{n:03}")
        instance.groups.add(group)
        instance.tags.add(tag)
        schedule = make_schedule(f"nightly-{n:03}", instance)
        schedule.groups.add(group)
        for days in range(3):
            missed = (n + days) % 5 == 0
            status = OccurrenceStatus.MISSED if missed else OccurrenceStatus.SUCCEEDED
            make_occurrence(schedule, instance, now - days * DAY, status)
        make_alert(instance.name, at=now - HOUR)
        make_alert(instance.name, rule="lock_time", status=AlertStatus.RESOLVED, at=now - DAY)
        channel = make_webhook(name=f"hook-{n:03}")
        route = Route.objects.create(channel=channel, min_severity=Severity.WARNING)
        route.groups.add(group)
        silence = Silence.objects.create(comment=f"patching {n}", starts_at=now - HOUR)
        silence.instances.add(instance)
