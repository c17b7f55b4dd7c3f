"""What changed since the last evaluation, and which instances are affected?

Ids and timestamps only grow, but rows become visible out of order: each run starts a little before
the end of the last one. Evaluating an instance twice is harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Q, QuerySet
from django.utils.dateparse import parse_datetime

from alerts.models import Alert, EvaluationCursor
from alerts.rules import BACKUP_SUCCEEDED
from alerts.states import OPEN_ALERT_STATUSES, AlertStatus
from backups.models import Backup, Evidence, Instance, Job, JobEvent, Occurrence
from backups.states import JobStatus

NAME = "changes"
OVERLAP = timedelta(seconds=60)
OVERLAP_ROWS = 5000
OVERLAP_BACKUPS = 50
# While nothing changes the cursor is written this often; the next evaluation looks further back.
QUIET = timedelta(seconds=300)
# After a longer pause ``evaluate_all`` finds everything; only successes are looked for further
# back.
LONGEST_PAUSE = timedelta(days=1)
# Alerts that are due without any change, in one run; ``evaluate_all`` handles the rest.
MOST_DUE = 1000


@dataclass(slots=True)
class Changes:
    """Instances with changes, and jobs that succeeded."""

    instance_ids: set[int] = field(default_factory=set)
    ended_jobs: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class CursorPosition:
    """Up to where everything has been evaluated."""

    events: int
    jobs: int
    evidence: int
    backups: int
    looked_at: datetime

    def as_json(self) -> dict[str, object]:
        return {
            "events": self.events,
            "jobs": self.jobs,
            "evidence": self.evidence,
            "backups": self.backups,
            "looked_at": self.looked_at.isoformat(),
        }


def load_changes(now: datetime) -> tuple[Changes, CursorPosition]:
    """Return what changed since the cursor, and where the next run starts.

    ``move_cursor`` moves the cursor once everything has been evaluated.
    """
    reached = _newest(now)
    changes = Changes()
    _add_due_alerts(changes, now)
    last = _load_position()
    if last is not None:
        # After the clock was set back, new rows have earlier timestamps.
        last = replace(last, looked_at=min(last.looked_at, now))
        _add_jobs(changes, last)
        _add_occurrences(changes, max(last.looked_at, now - LONGEST_PAUSE) - OVERLAP)
        _add_rest(changes, last)
        _exclude_recorded(changes)
    return changes, reached


def move_cursor(position: CursorPosition) -> None:
    """Store how far everything has been evaluated, unless nothing has changed since."""
    last = _load_position()
    if last is not None and replace(position, looked_at=last.looked_at) == last:
        quiet = position.looked_at - last.looked_at
        if timedelta(0) <= quiet < QUIET:
            return
    EvaluationCursor.objects.update_or_create(
        name=NAME, defaults={"position": position.as_json(), "moved_at": position.looked_at}
    )


def _load_position() -> CursorPosition | None:
    stored = EvaluationCursor.objects.filter(name=NAME).values_list("position", flat=True).first()
    if stored is None:
        return None
    looked_at = parse_datetime(stored["looked_at"])
    assert looked_at is not None
    return CursorPosition(
        stored["events"], stored["jobs"], stored["evidence"], stored["backups"], looked_at
    )


def _newest(now: datetime) -> CursorPosition:
    return CursorPosition(_last(JobEvent), _last(Job), _last(Evidence), _last(Backup), now)


def _last(model: type[JobEvent | Job | Evidence | Backup]) -> int:
    newest: Mapping[str, Any] = model._default_manager.aggregate(last=Max("id"))
    return newest["last"] or 0


def _add_jobs(changes: Changes, last: CursorPosition) -> None:
    events = JobEvent.objects.filter(
        id__gt=last.events - OVERLAP_ROWS, created_at__gte=last.looked_at - OVERLAP
    )
    rows = events.order_by("id").values_list("job_id", "new_status", "job__instance_id")
    for job, status, instance in rows.iterator():
        changes.instance_ids.add(instance)
        if status == JobStatus.SUCCEEDED:
            changes.ended_jobs.add(job)


def _add_occurrences(changes: Changes, since: datetime) -> None:
    for name in ("status_since", "late_at"):
        rows = Occurrence.objects.filter(**{f"{name}__gte": since})
        _add(changes, rows.values_list("instance_id", flat=True))
    # Only open ones: their index is small, and ended ones have a newer ``status_since``.
    overran = Occurrence.objects.filter(next_check_at__isnull=False, overran_at__gte=since)
    _add(changes, overran.values_list("instance_id", flat=True))


def _add_rest(changes: Changes, last: CursorPosition) -> None:
    evidence = Evidence.objects.filter(
        id__gt=last.evidence - OVERLAP_ROWS, created_at__gte=last.looked_at - OVERLAP
    )
    _add(changes, evidence.values_list("copy__backup__instance_id", flat=True))
    # Observed backups are imported long after they ended, and have no job events.
    backups = Backup.objects.filter(id__gt=last.backups - OVERLAP_BACKUPS)
    for pk, instance, job in backups.values_list("id", "instance_id", "made_by"):
        changes.instance_ids.add(instance)
        if job is not None and pk > last.backups:
            changes.ended_jobs.add(job)
    unreachable = Instance.objects.filter(unreachable_since__gte=last.looked_at - OVERLAP)
    _add(changes, unreachable.values_list("id", flat=True))
    # Observed jobs are imported complete, or end later, without job events.
    _add(changes, Job.objects.filter(id__gt=last.jobs).values_list("instance_id", flat=True))
    failed = Job.objects.filter(
        status__in=[JobStatus.FAILED, JobStatus.LOST], ended_at__gte=last.looked_at - OVERLAP
    )
    _add(changes, failed.values_list("instance_id", flat=True))


def _exclude_recorded(changes: Changes) -> None:
    """Leave out successes that an overlapping run has already recorded as alerts."""
    recorded = Alert.objects.filter(rule=BACKUP_SUCCEEDED.name, job__in=changes.ended_jobs)
    changes.ended_jobs.difference_update(recorded.values_list("job_id", flat=True))


def _add_due_alerts(changes: Changes, now: datetime) -> None:
    """Add instances whose pending alert is due to fire, or whose cleared alert to resolve."""
    due = Q(status=AlertStatus.PENDING, fires_at__lte=now) | Q(clear_since__isnull=False)
    alerts = Alert.objects.filter(due, status__in=OPEN_ALERT_STATUSES, instance__isnull=False)
    ids = alerts.order_by("id").values_list("instance_id", flat=True)
    changes.instance_ids.update(ids[:MOST_DUE])


def _add(changes: Changes, ids: QuerySet[Any, Any]) -> None:
    # Unordered: with an order, a database may scan that index instead of filtering.
    changes.instance_ids.update(ids.order_by())
