"""Who may write the status of a stage? Only this module."""

from __future__ import annotations

from datetime import datetime

from backups.exceptions import IllegalTransition
from backups.models import Job, JobStage
from backups.states import STAGE_MOVES, JobStatus, StageStatus


def move_stage(stage: JobStage, to: StageStatus, *, now: datetime, detail: str = "") -> None:
    """Move a stage of a job whose lease the caller holds."""
    old = StageStatus(stage.status)
    if to not in STAGE_MOVES[old]:
        raise IllegalTransition(f"{stage}: {old} to {to}")
    values: dict[str, object] = {"status": to}
    if to is StageStatus.RUNNING:
        values["started_at"] = now
    elif to is not StageStatus.SKIPPED:
        values["ended_at"] = now
    if detail:
        values["detail"] = detail
    won = JobStage.objects.filter(
        pk=stage.pk, status=old, job__fencing_token=stage.job.fencing_token
    ).update(**values)
    if won:
        for name, value in values.items():
            setattr(stage, name, value)


_ENDED_WITH = {
    JobStatus.SUCCEEDED: StageStatus.SUCCEEDED,
    JobStatus.REFUSED: StageStatus.REFUSED,
}


def close_stages(job: Job, to: JobStatus, now: datetime) -> None:
    """Close the stages of an ended job."""
    stages = JobStage.objects.filter(job=job)
    stages.filter(status=StageStatus.RUNNING).update(
        status=_ENDED_WITH.get(to, StageStatus.FAILED), ended_at=now
    )
    stages.filter(status=StageStatus.PENDING).update(status=StageStatus.SKIPPED)
