"""Which of the next runs will probably not fit their windows?

Of the whole fleet only the instances whose backups take a good part of a window are read again: a
fixed number of queries, and few rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from statistics import median

from alerts.facts.columns import Belongings
from alerts.facts.load_history import History
from alerts.facts.run import UnfitFacts
from backups.models import BackupSchedule
from backups.models.schedule import PREDECESSORS, WhenUnfit
from backups.schedules.forecasts import forecast_next
from backups.states import Operation

# The share of its window that a run usually takes, from which on it is worth a forecast.
SUSPECT = 0.5


def build_forecasts(
    now: datetime, belongings: Belongings, history: History
) -> Iterator[UnfitFacts]:
    """Yield the runs that will not fit; those of unknown length are left out."""
    enabled = BackupSchedule.objects.filter(enabled=True, operation=Operation.BACKUP)
    enabled = enabled.select_related(PREDECESSORS)
    schedules = {schedule.pk: schedule for schedule in enabled if schedule.stopped_by is None}
    pairs = [
        (schedules[covering.id], pk)
        for pk, belonging in belongings.items()
        for covering in belonging.schedules
        if covering.id in schedules and _is_suspect(schedules[covering.id], pk, history)
    ]
    for (schedule, pk), found in zip(pairs, forecast_next(pairs, now), strict=True):
        if not found.will_not_fit:
            continue
        yield UnfitFacts(
            now=now,
            subject=belongings[pk].subject(
                f"schedule:{schedule.pk}/instance:{pk}",
                pk,
                name=f"{belongings[pk].name}, {schedule.name}",
                schedule_id=schedule.pk,
            ),
            schedule=schedule.name,
            due_at=schedule.next_due_at,
            reason=found.reason,
            withheld=schedule.when_unfit == WhenUnfit.SKIP,
        )


def _is_suspect(schedule: BackupSchedule, instance_id: int, history: History) -> bool:
    pasts = [history.get((instance_id, kind)) for kind in schedule.kinds]
    lengths = [median(past.seconds) for past in pasts if past is not None and past.seconds]
    return any(timedelta(seconds=length) > schedule.window * SUSPECT for length in lengths)
