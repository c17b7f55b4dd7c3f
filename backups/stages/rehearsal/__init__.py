"""The stages that rehearse an upgrade: does a restored backup become a server of a newer series?"""

from __future__ import annotations

from collections.abc import Sequence

from backups.stages.base import Stage
from backups.stages.rehearsal.check_program import CheckProgram
from backups.stages.rehearsal.clean_shutdown import CleanShutdown
from backups.stages.rehearsal.record import RecordRehearsal
from backups.stages.rehearsal.restored import RehearsedExtract, RehearsedPrepare
from backups.stages.rehearsal.run_checks import RunOwnChecks
from backups.stages.rehearsal.upgrade import CheckUpgraded, StartUpgraded, Upgrade
from backups.stages.restore.check_target import CheckTarget
from backups.stages.restore.work import RestoreWork

STAGES: Sequence[Stage[RestoreWork]] = (
    CheckProgram(),
    CheckTarget(),
    RehearsedExtract(),
    RehearsedPrepare(),
    CleanShutdown(),
    Upgrade(),
    StartUpgraded(),
    CheckUpgraded(),
    RunOwnChecks(),
    RecordRehearsal(),
)

__all__ = ["STAGES"]
