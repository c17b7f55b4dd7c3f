"""Which planned verifies and restore tests were not done? One query for any number of instances."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from alerts.facts.columns import HORIZON, Belongings, Columns, read_columns
from alerts.facts.run import UnprovenFacts
from backups.models import Job, Occurrence
from backups.states import CHOSEN_KINDS, PROOFS, JobStatus, OccurrenceStatus, WaitReason

_COLUMNS = (
    "id", "schedule_id", "instance_id", "due_at", "status", "reason", "detail", "schedule__name",
    "schedule__operation",
)  # fmt: skip


def build_unproven(now: datetime, belongings: Belongings) -> Iterator[UnprovenFacts]:
    """Yield by schedule and instance what was not done since the last one with a result."""
    runs: dict[tuple[int, int], list[Columns]] = {}
    for row in read_columns(_not_done(now, belongings).order_by("-due_at", "-id"), *_COLUMNS):
        runs.setdefault((row["schedule_id"], row["instance_id"]), []).append(row)
    for (schedule, pk), rows in runs.items():
        newest = rows[0]
        down = newest["reason"] == WaitReason.SCHEDULER_DOWN
        yield UnprovenFacts(
            now=now,
            subject=belongings[pk].subject(
                f"schedule:{schedule}/instance:{pk}",
                pk,
                name=f"{belongings[pk].name}, {newest['schedule__name']}",
                schedule_id=schedule,
                cause="scheduler" if down else "",
            ),
            occurrence_id=newest["id"],
            operation=newest["schedule__operation"],
            due_at=newest["due_at"],
            since=rows[-1]["due_at"],
            missed=newest["status"] == OccurrenceStatus.MISSED,
            reason=newest["reason"],
            detail=newest["detail"],
            count=len(rows),
        )


def _not_done(now: datetime, belongings: Belongings) -> QuerySet[Occurrence]:
    later = Occurrence.objects.filter(
        schedule=OuterRef("schedule"),
        instance=OuterRef("instance"),
        # One that failed has found a fault: that has an alert of its own.
        status__in=(OccurrenceStatus.SUCCEEDED, OccurrenceStatus.FAILED),
        due_at__gt=OuterRef("due_at"),
    )
    by_hand = Job.objects.filter(
        instance=OuterRef("instance"),
        operation=OuterRef("schedule__operation"),
        status=JobStatus.SUCCEEDED,
        ended_at__gt=OuterRef("due_at"),
    ).exclude(kind__in=CHOSEN_KINDS)
    return Occurrence.objects.filter(
        # A run that follows one which did not succeed is missing for that one's reason.
        ~Q(reason=WaitReason.PREDECESSOR),
        ~Exists(later),
        ~Exists(by_hand),
        status__in=(OccurrenceStatus.MISSED, OccurrenceStatus.REFUSED),
        due_at__gte=now - HORIZON,
        instance__in=list(belongings),
        schedule__enabled=True,
        schedule__operation__in=PROOFS,
    )
