"""Which rows represent an observed run? A job with its stages, and a backup if it succeeded."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from backups.history.base import ObservedRun, RunState
from backups.models import Backup, Instance, Job, JobStage
from backups.models.catalog import Origin
from backups.parameters import ObservedParameters
from backups.states import JobStatus, StageStatus
from backups.transitions.jobs import JobOutcome, begin_observed, end

# A tool silent for this long was killed: its history will never show how it ended.
SILENT_FOR = timedelta(hours=24)
STATUSES = {
    RunState.SUCCEEDED: JobStatus.SUCCEEDED,
    RunState.FAILED: JobStatus.FAILED,
}


def store_run(instance: Instance, run: ObservedRun, now: datetime) -> Job | None:
    """Store the present state of a run; return its job if that is new or has changed."""
    job = Job.objects.filter(instance=instance, observed_key=run.key).first()
    if job is not None and job.status != JobStatus.RUNNING:
        return None
    changed = job is None
    if job is None:
        job = begin_observed(_job(instance, run), now=run.started_at)
    changed = _store_stages(job, run) or changed
    to = STATUSES.get(run.state)
    if to is None and _last_entry(run) < now - SILENT_FOR:
        to = JobStatus.LOST
    if to is not None:
        changed = _end(job, run, to, now) or changed
    return job if changed else None


def _job(instance: Instance, run: ObservedRun) -> Job:
    return Job(
        operation="backup",
        origin=Origin.OBSERVED,
        observed_key=run.key,
        instance=instance,
        kind=run.kind,
        engine=instance.history_tool,
        requested_at=run.started_at,
        started_at=run.started_at,
        label=build_label(instance, run),
        lock_time=run.lock_time,
        parameters=ObservedParameters(run.facts).write(),
    )


def build_label(instance: Instance, run: ObservedRun) -> str:
    """Return a label no managed backup can have, the same at every reading."""
    short = hashlib.sha256(run.key.encode()).hexdigest()[:6]
    return f"{instance.name}@{run.started_at:%Y%m%dT%H%M%SZ}-{run.kind[0].upper()}-seen-{short}"


def _end(job: Job, run: ObservedRun, to: JobStatus, now: datetime) -> bool:
    ended_at = run.ended_at or now
    if to is JobStatus.LOST:
        outcome = JobOutcome(
            error="lost: no entry in the tool's history since "
            f"{_last_entry(run):%Y-%m-%d %H:%M} UTC, and none for its end",
            hint="Check the tool's own log: it may have been killed.",
        )
    else:
        failed_in = run.stages[-1].name if run.stages and run.error else ""
        outcome = JobOutcome(error=run.error, failed_stage=failed_in[:40])
    if not end(job, to, now=ended_at, outcome=outcome, actor=f"{job.engine} history"):
        return False
    if to is JobStatus.SUCCEEDED:
        _store_backup(job, run, ended_at)
    return True


def _last_entry(run: ObservedRun) -> datetime:
    return run.stages[-1].at if run.stages else run.started_at


def _store_stages(job: Job, run: ObservedRun) -> bool:
    """Write the stages so far; each ends when the next one begins."""
    known = JobStage.objects.filter(job=job).count()
    if known == len(run.stages):
        return False
    JobStage.objects.filter(job=job).delete()
    ends = [stage.at for stage in run.stages[1:]] + [run.ended_at]
    JobStage.objects.bulk_create(
        JobStage(
            job=job,
            position=position,
            name=stage.name[:40],
            status=_stage_status(stage.error, ended),
            started_at=stage.at,
            ended_at=ended,
            detail=stage.error or stage.name,
        )
        for position, (stage, ended) in enumerate(zip(run.stages, ends, strict=True), 1)
    )
    return True


def _stage_status(error: str, ended: datetime | None) -> StageStatus:
    if error:
        return StageStatus.FAILED
    return StageStatus.RUNNING if ended is None else StageStatus.SUCCEEDED


def _store_backup(job: Job, run: ObservedRun, ended_at: datetime) -> None:
    Backup.objects.create(
        label=job.label,
        instance=job.instance,
        made_by=job,
        origin=Origin.OBSERVED,
        kind=run.kind,
        engine=job.engine,
        from_lsn=run.from_lsn,
        to_lsn=run.to_lsn,
        binlog_file=run.binlog_file,
        binlog_position=run.binlog_position,
        gtid_executed=run.gtid,
        server_version=run.server_version[:80],
        tool_version=run.tool_version[:80],
        facts=dict(run.facts),
        started_at=run.started_at,
        ended_at=ended_at,
        lock_time=run.lock_time,
    )
