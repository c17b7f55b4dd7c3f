"""Which runs that could start now would outlast their window, and do they start anyway?"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from backups.models import Job, JobLogLine, Occurrence
from backups.models.job import LogLevel
from backups.models.schedule import WhenUnfit
from backups.schedules.forecast import Forecast
from backups.schedules.forecasts import RunToCome, forecast_runs
from backups.schedules.steps import NextStep, ended, lateness
from backups.states import BackupKind, OccurrenceStatus, WaitReason
from backups.transitions.jobs import record_note

logger = logging.getLogger(__name__)


def forecast_starts(
    starting: Sequence[tuple[Occurrence, bool, object]], now: datetime
) -> list[Forecast]:
    """Return the forecasts of runs that start now.

    ``True``: it takes a full backup instead. Last is the end of its window, if that is a new one.
    """
    runs = []
    for run, full, reopened in starting:
        closes_at = reopened if isinstance(reopened, datetime) else run.missed_after
        kind = BackupKind.FULL if full else run.kind
        runs.append(RunToCome(run.instance_id, kind, closes_at - now))
    return forecast_runs(runs, now)


def withhold(occurrence: Occurrence, forecast: Forecast, now: datetime) -> NextStep | None:
    """Return how a run ends that its schedule does not start; None if it starts."""
    if not forecast.will_not_fit or occurrence.schedule.when_unfit != WhenUnfit.SKIP:
        return None
    logger.warning(
        "%s is not started: it %s",
        occurrence,
        forecast,
        extra={"action": "run_withheld", "schedule": occurrence.schedule.name},
    )
    # An attempt that failed before stays what happened to it.
    to = OccurrenceStatus.FAILED if occurrence.attempts else OccurrenceStatus.MISSED
    return ended(to, WaitReason.WILL_NOT_FIT, forecast.reason, lateness(occurrence, now))


def note_unfit(occurrence: Occurrence, job: Job, forecast: Forecast, now: datetime) -> None:
    """Say in the log that a run starts which will probably overrun its window."""
    words = f"will probably not fit the window of {occurrence.schedule.name}: {forecast.reason}"
    logger.warning(
        "%s %s", job, words, extra={"action": "run_unfit", "schedule": occurrence.schedule.name}
    )
    record_note(job, f"schedule {occurrence.schedule.name}", words)
    JobLogLine.objects.create(
        job=job, logged_at=now, level=LogLevel.WARNING, source="schedule", text=words
    )
