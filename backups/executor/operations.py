"""Which stages does each operation have, and what may not run at the same time?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from backups.models import Job
from backups.stages import backup, proof, purge, restore
from backups.stages.backup.work import backup_work
from backups.stages.base import Stage
from backups.stages.proof.read_packs import verify_work
from backups.stages.purge.decide import purge_work
from backups.stages.restore.work import restore_test_work, restore_work
from backups.states import Operation

# The stages of an operation and what they hand to each other are of one type, which only
# this table brings together.
_STAGES: Mapping[Operation, Sequence[Stage[Any]]] = {
    Operation.BACKUP: backup.STAGES,
    Operation.RESTORE: restore.STAGES,
    Operation.VERIFY: proof.VERIFY_STAGES,
    Operation.RESTORE_TEST: proof.RESTORE_TEST_STAGES,
    Operation.PURGE: purge.STAGES,
}
_WORK: Mapping[Operation, Callable[[Job], Any]] = {
    Operation.BACKUP: backup_work,
    Operation.RESTORE: restore_work,
    Operation.VERIFY: verify_work,
    Operation.RESTORE_TEST: restore_test_work,
    Operation.PURGE: purge_work,
}


def stages_of(job: Job) -> Sequence[Stage[Any]]:
    return _STAGES[Operation(job.operation)]


def stage_names() -> set[str]:
    """Return the names of all stages of all operations, without engines' sub-operations."""
    return {stage.name for stages in _STAGES.values() for stage in stages}


def work_for(job: Job) -> Any:
    """Return the work object for the job's first stage."""
    return _WORK[Operation(job.operation)](job)


def exclusive_key(job: Job) -> str:
    """Name the resource that two running jobs may not share."""
    match Operation(job.operation):
        case Operation.BACKUP:
            return f"instance:{job.instance_id}"
        case Operation.RESTORE:
            return f"target:{job.parameters['target']}"
        case operation:
            return f"{operation}:{job.copy_id}"
