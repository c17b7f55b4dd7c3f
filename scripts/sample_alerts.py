"""Which alert did a bad night of the sample fleet raise, a long time ago?"""

from __future__ import annotations

from datetime import timedelta

from alerts.models import Alert
from alerts.states import AlertStatus, Severity
from backups.models import Instance
from scripts.sample_history import Night


def past_alert(instance: Instance, night: Night) -> Alert:
    return Alert(
        rule=f"job_{night.status}",
        subject=f"instance:{instance.pk}",
        subject_name=instance.name,
        instance=instance,
        cause=f"instance:{instance.pk}",
        severity=Severity.EMERGENCY,
        status=AlertStatus.RESOLVED,
        status_since=night.ended_at + timedelta(days=1),
        message=f"{instance.name}: {night.fault[1]}"[:500],
        hint=night.fault[2],
        opened_at=night.ended_at,
        fires_at=night.ended_at,
        fired_at=night.ended_at,
        last_found_at=night.ended_at + timedelta(days=1),
        resolved_at=night.ended_at + timedelta(days=1),
    )
