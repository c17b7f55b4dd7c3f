"""The stages that prove a backup: its bytes (verify), or a server on them (restore test)."""

from __future__ import annotations

from collections.abc import Sequence

from backups.parameters import RestoreTestParameters
from backups.stages.base import Stage
from backups.stages.proof.check_tables import CheckTables
from backups.stages.proof.drill import (
    CheckAtMoment,
    DrilledReplay,
    FindDrilled,
    RecordDrill,
    StartAtMoment,
)
from backups.stages.proof.read_packs import ReadPacks
from backups.stages.proof.record import RecordRestoreTest
from backups.stages.proof.restored import ProvedExtract, ProvedPrepare
from backups.stages.proof.start_server import StartServer
from backups.stages.restore.check_target import CheckTarget
from backups.stages.restore.work import RestoreWork

VERIFY_STAGES = (ReadPacks(),)
RESTORE_TEST_STAGES = (
    CheckTarget(),
    ProvedExtract(),
    ProvedPrepare(),
    StartServer(),
    CheckTables(),
    RecordRestoreTest(),
)
FIND = FindDrilled()
# The backup is tested first, so that it is known whose fault a failure is.
DRILL_STAGES = (
    FIND,
    *RESTORE_TEST_STAGES,
    DrilledReplay(),
    StartAtMoment(),
    CheckAtMoment(),
    RecordDrill(),
)


def stages_for(asked: RestoreTestParameters) -> Sequence[Stage[RestoreWork]]:
    """Return the stages that a restore test leads to."""
    if asked.until:
        return DRILL_STAGES
    # It says why it is none.
    return (FIND, *RESTORE_TEST_STAGES) if asked.not_replayed else RESTORE_TEST_STAGES


__all__ = ["DRILL_STAGES", "RESTORE_TEST_STAGES", "VERIFY_STAGES", "stages_for"]
