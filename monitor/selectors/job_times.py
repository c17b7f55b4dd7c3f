"""How long will the stages of a job take? Estimated from bytes and the last successful run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from backups.models import Job, JobStage
from backups.states import JobStatus, StageStatus

ZERO = timedelta(0)


def usual_lengths(job: Job) -> Mapping[str, timedelta]:
    """Return the duration of each stage in the last successful job of this kind."""
    last = Job.objects.filter(
        instance=job.instance_id, operation=job.operation, status=JobStatus.SUCCEEDED
    ).exclude(pk=job.pk)
    newest = last.order_by("-id").values("pk")[:1]
    stages = JobStage.objects.filter(job__in=newest, ended_at__isnull=False)
    return {
        name: ended - started
        for name, started, ended in stages.values_list("name", "started_at", "ended_at")
        if started and ended
    }


def stage_left(
    stage: JobStage, job: Job, usual: Mapping[str, timedelta], now: datetime
) -> timedelta | None:
    """Return the time left for an unfinished stage; None if unknown."""
    expected = usual.get(stage.name)
    if stage.status == StageStatus.PENDING:
        return expected
    if stage.status != StageStatus.RUNNING or stage.started_at is None:
        return None
    if stage.bytes_total is not None and stage.bytes_done and job.rate_bytes_per_s:
        return timedelta(
            seconds=max(0, stage.bytes_total - stage.bytes_done) / job.rate_bytes_per_s
        )
    return None if expected is None else max(ZERO, expected - (now - stage.started_at))


def whole_left(
    stages: Sequence[JobStage], job: Job, usual: Mapping[str, timedelta], now: datetime
) -> timedelta | None:
    """Return the time left for the top-level stages; engine stages are part of one of them.

    Without an earlier run, the estimate is based on bytes and excludes later stages.
    """
    if job.status != JobStatus.RUNNING:
        return None
    open_stages = [
        stage
        for stage in stages
        if stage.parent_id is None and stage.status in (StageStatus.PENDING, StageStatus.RUNNING)
    ]
    left = [stage_left(stage, job, usual, now) for stage in open_stages]
    known = [length for length in left if length is not None]
    if not known or (usual and len(known) < len(left)):
        return job.time_left()
    return sum(known, ZERO)
