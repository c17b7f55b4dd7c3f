"""What does each operation consist of, and what may not run at the same time?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from backups.exceptions import BadInput
from backups.jobs.copying import target_of
from backups.models import Job
from backups.parameters import (
    BackupParameters,
    ConsolidateParameters,
    CopyParameters,
    ExportParameters,
    Parameters,
    PurgeParameters,
    RehearsalParameters,
    RestoreParameters,
    RestoreTableParameters,
    RestoreTestParameters,
    VerifyParameters,
)
from backups.stages import (
    backup,
    consolidate,
    copying,
    export,
    proof,
    purge,
    rehearsal,
    restore,
    table_restore,
)
from backups.stages.backup.work import backup_work
from backups.stages.base import Stage
from backups.stages.consolidate.work import consolidate_work
from backups.stages.copying.work import copying_work
from backups.stages.export.work import export_work
from backups.stages.proof.read_packs import verify_work
from backups.stages.purge.decide import purge_work
from backups.stages.restore.work import rehearsal_work, restore_test_work, restore_work
from backups.stages.table_restore.work import table_restore_work
from backups.states import Operation

Asked = TypeVar("Asked", bound=Parameters)
Work = TypeVar("Work")


@dataclass(frozen=True, slots=True)
class Plan(Generic[Asked, Work]):
    """How a job of one operation is run."""

    parameters: type[Asked]
    # Which stages a request leads to, in order. The same class of stage may be there several
    # times, each with a part of its own.
    stages: Callable[[Job, Asked], Sequence[Stage[Work]]]
    # Every stage that any request leads to, once: their names may be in settings.
    known_stages: Sequence[Stage[Work]]
    # What the first stage begins with.
    work: Callable[[Job, Asked], Work]
    # Names what two running jobs may not both work on.
    key: Callable[[Job, Asked], str]


def always(stages: Sequence[Stage[Work]]) -> Callable[[Job, Parameters], Sequence[Stage[Work]]]:
    """Return a choice of stages that is the same for every request."""
    return lambda job, asked: stages


def _copy_key(job: Job, asked: Parameters) -> str:
    return f"{job.operation}:{job.copy_id}"


# Parameters, stages and what they hand to each other are of one type for each operation; only
# this table brings different ones together.
PLANS: dict[Operation, Plan[Any, Any]] = {
    Operation.BACKUP: Plan(
        BackupParameters,
        lambda job, asked: backup.stages_for(job, asked),
        backup.STAGES,
        backup_work,
        lambda job, asked: f"instance:{job.instance_id}",
    ),
    Operation.RESTORE: Plan(
        RestoreParameters,
        lambda job, asked: restore.stages_for(asked),
        restore.KNOWN_STAGES,
        restore_work,
        lambda job, asked: f"target:{asked.target}",
    ),
    Operation.RESTORE_TABLE: Plan(
        RestoreTableParameters,
        always(table_restore.STAGES),
        table_restore.STAGES,
        table_restore_work,
        lambda job, asked: f"tables:{asked.target}",
    ),
    Operation.VERIFY: Plan(
        VerifyParameters, always(proof.VERIFY_STAGES), proof.VERIFY_STAGES, verify_work, _copy_key
    ),
    Operation.RESTORE_TEST: Plan(
        RestoreTestParameters,
        lambda job, asked: proof.stages_for(asked),
        proof.DRILL_STAGES,
        restore_test_work,
        _copy_key,
    ),
    Operation.REHEARSAL: Plan(
        RehearsalParameters,
        always(rehearsal.STAGES),
        rehearsal.STAGES,
        rehearsal_work,
        _copy_key,
    ),
    Operation.CONSOLIDATE: Plan(
        ConsolidateParameters,
        always(consolidate.STAGES),
        consolidate.STAGES,
        consolidate_work,
        # Of whichever copy: two would make one backup twice.
        lambda job, asked: f"consolidate:{job.backup_id}",
    ),
    Operation.EXPORT: Plan(
        ExportParameters,
        always(export.STAGES),
        export.STAGES,
        export_work,
        lambda job, asked: f"target:{asked.target}",
    ),
    Operation.PURGE: Plan(
        PurgeParameters, always(purge.STAGES), purge.STAGES, purge_work, _copy_key
    ),
    Operation.COPY: Plan(
        CopyParameters,
        always(copying.STAGES),
        copying.STAGES,
        copying_work,
        # Two would write the same backups of a chain.
        lambda job, asked: f"copies:{job.instance_id}:{target_of(job).pk}",
    ),
}


# Any: of whichever operation the job is.
def plan_job(job: Job) -> tuple[Sequence[Stage[Any]], Any]:
    """Return the job's stages, and what the first of them begins with."""
    plan = PLANS[Operation(job.operation)]
    asked = plan.parameters.of(job)
    return plan.stages(job, asked), plan.work(job, asked)


def stage_names() -> set[str]:
    """Return the names of all stages of all operations, without engines' sub-operations."""
    return {stage.name for plan in PLANS.values() for stage in plan.known_stages}


def exclusive_key(job: Job) -> str:
    """Name the resource that two running jobs may not share."""
    plan = PLANS[Operation(job.operation)]
    try:
        return plan.key(job, plan.parameters.of(job))
    except BadInput:
        # The job fails with the reason as soon as it starts; until then it blocks no other.
        return f"job:{job.pk}"
