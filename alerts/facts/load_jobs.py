"""Which jobs have failed, and which are running?

A fixed number of queries for any number of instances, each by a partial or status index.
Successful jobs are not read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from alerts.facts.columns import HORIZON, Belongings, Columns, read_columns
from alerts.facts.load_history import History
from alerts.facts.run import ActiveJobFacts, FailureFacts
from backups.models import Job
from backups.models.catalog import Origin
from backups.models.job import UNATTENDED
from backups.schedule import may_retry
from backups.states import (
    CHOSEN_KINDS,
    OPEN_OCCURRENCE_STATUSES,
    PROOFS,
    BackupKind,
    JobStatus,
    Operation,
    WaitReason,
)

_OCCURRENCE = (
    "occurrence__schedule_id", "occurrence__status", "occurrence__job_id", "occurrence__attempts",
    "occurrence__retry_at", "occurrence__missed_after", "occurrence__schedule__origin",
    "occurrence__schedule__enabled", "occurrence__schedule__retries",
    "occurrence__schedule__retry_delay",
)  # fmt: skip


def build_failures(
    now: datetime, belongings: Belongings, held_jobs: Collection[int] = ()
) -> Iterator[FailureFacts]:
    """Yield the newest failure or refusal per operation and kind without a later success.

    Of a planned verify or restore test that was not done the run has facts: ``load_proofs``.
    """
    recent = Q(ended_at__gte=now - HORIZON) | Q(pk__in=list(held_jobs))
    failed = Job.objects.filter(
        recent,
        _not_cancelled_by_a_person(),
        _not_refused_to_a_person(),
        _without_evidence(),
        ~Q(occurrence__schedule__operation__in=PROOFS),
        status__in=[
            JobStatus.FAILED,
            JobStatus.REFUSED,
            JobStatus.LOST,
            JobStatus.CANCELLED,
        ],
        instance__in=list(belongings),
    ).filter(~Exists(_later_successes()))
    rows = read_columns(
        failed.order_by("-ended_at", "-id"),
        "id", "instance_id", "operation", "kind", "status", "ended_at", "error", "hint",
        "failed_stage", *_OCCURRENCE,
    )  # fmt: skip
    failures: dict[tuple[int, str, str], list[Columns]] = {}
    for row in rows:
        key = (row["instance_id"], row["operation"], row["kind"])
        failures.setdefault(key, []).append(row)
    causes = _causing_repositories([group[0] for group in failures.values()])
    for group in failures.values():
        yield _build_failure(group, belongings, causes.get(group[0]["id"]), now)


def _build_failure(
    group: Sequence[Columns], belongings: Belongings, repository_id: int | None, now: datetime
) -> FailureFacts:
    """Describe failures of one operation and kind by the first of them, which is the newest."""
    newest = group[0]
    pk, operation, kind = newest["instance_id"], newest["operation"], newest["kind"]
    return FailureFacts(
        now=now,
        subject=belongings[pk].subject(
            f"instance:{pk}/{operation}" + (f"-{kind}" if kind else ""),
            pk,
            schedule_id=newest["occurrence__schedule_id"],
            job_id=newest["id"],
            repository_id=repository_id,
            cause="" if repository_id is None else f"repository:{repository_id}",
        ),
        job_id=newest["id"],
        operation=operation,
        kind=kind,
        status=newest["status"],
        ended_at=newest["ended_at"],
        error=newest["error"],
        hint=newest["hint"],
        failed_stage=newest["failed_stage"],
        retry_planned=_retry_planned(newest, now),
        overran=newest["status"] == JobStatus.CANCELLED,
        count=len(group),
    )


def build_active_jobs(
    now: datetime, belongings: Belongings, history: History
) -> Iterator[ActiveJobFacts]:
    running = Job.objects.filter(
        status=JobStatus.RUNNING, instance__in=list(belongings), started_at__isnull=False
    )
    rows = read_columns(
        running.order_by("id"),
        "id", "instance_id", "operation", "kind", "started_at", "last_activity_at",
        "occurrence__schedule_id", "occurrence__missed_after",
        "occurrence__schedule__expected_duration",
    )  # fmt: skip
    for row in rows:
        pk = row["instance_id"]
        expected = row["occurrence__schedule__expected_duration"]
        estimated = _estimate(row, history) if expected is None else None
        operation = Operation(row["operation"]).label.lower()
        yield ActiveJobFacts(
            now=now,
            subject=belongings[pk].subject(
                f"job:{row['id']}",
                pk,
                name=f"{belongings[pk].name}, {operation} job {row['id']}",
                schedule_id=row["occurrence__schedule_id"],
                job_id=row["id"],
            ),
            operation=row["operation"],
            kind=row["kind"],
            started_at=row["started_at"],
            expected=expected or estimated,
            estimated=estimated is not None,
            window_closes_at=row["occurrence__missed_after"],
            last_output_at=row["last_activity_at"],
        )


def _without_evidence() -> Q:
    """A check that failed left evidence, which has its own rule, or a failed drill, which has one.

    A drill that has proven its backup, and came to no result of its own, has none. Nor is it a
    failure that a rehearsed upgrade did not work: who requested it is shown that.
    """
    unfinished = Q(evidence__passed=True, parameters__until__isnull=False)
    return Q(drill=None, rehearsal=None) & (Q(evidence=None) | unfinished)


def _not_cancelled_by_a_person() -> Q:
    """A job cancelled by a person is no failure; one stopped at the end of its window is."""
    return ~Q(status=JobStatus.CANCELLED) | Q(occurrence__reason=WaitReason.WINDOW_END)


def _not_refused_to_a_person() -> Q:
    """Who requested a job by hand was shown why it was refused; a schedule was not."""
    return ~Q(status=JobStatus.REFUSED) | UNATTENDED


def _retry_planned(row: Columns, now: datetime) -> bool:
    """Whether the job will be retried, even before the scheduler has planned the retry.

    The first notification of the failure has to be correct.
    """
    if row["occurrence__status"] not in OPEN_OCCURRENCE_STATUSES:
        return False
    if row["status"] == JobStatus.CANCELLED:
        return False
    if row["occurrence__schedule__origin"] == Origin.OBSERVED:
        # An external tool may run it again or not.
        return False
    if row["occurrence__job_id"] != row["id"] or row["occurrence__retry_at"] is not None:
        return True
    retry_at = max(row["ended_at"] + row["occurrence__schedule__retry_delay"], now)
    return row["occurrence__schedule__enabled"] and may_retry(
        row["occurrence__attempts"],
        row["occurrence__schedule__retries"],
        retry_at,
        row["occurrence__missed_after"],
    )


def _later_successes() -> QuerySet[Job]:
    # A partial backup of other tables is no success of this one.
    other_tables = Q(kind__in=CHOSEN_KINDS, operation=Operation.BACKUP) & ~Q(
        parameters=OuterRef("parameters")
    )
    same_kind = Q(kind=OuterRef("kind")) & ~other_tables
    return Job.objects.filter(
        same_kind | Q(kind=BackupKind.FULL, operation=Operation.BACKUP),
        instance=OuterRef("instance"),
        operation=OuterRef("operation"),
        status=JobStatus.SUCCEEDED,
        ended_at__gt=OuterRef("ended_at"),
    )


def _estimate(row: Columns, history: History) -> timedelta | None:
    if row["operation"] != Operation.BACKUP:
        return None
    past = history.get((row["instance_id"], row["kind"]))
    norm = past.expected_seconds() if past else None
    return None if norm is None else timedelta(seconds=norm.most())


def _causing_repositories(rows: Sequence[Columns]) -> dict[int, int]:
    """Map failed jobs to the repository whose path is in their error."""
    jobs = {row["id"]: row["error"] for row in rows}
    links = Job.repositories.through._default_manager.filter(job_id__in=list(jobs))
    named = links.values_list("job_id", "repository_id", "repository__path")
    return {job: repository for job, repository, path in named if path in jobs[job]}
