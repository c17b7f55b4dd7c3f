"""The stages of a restore: into an empty folder, prepared, replayed onto, and handed over."""

from __future__ import annotations

from backups.stages.restore.check_target import CheckTarget
from backups.stages.restore.extract import Extract
from backups.stages.restore.find_transactions import FindTransactions
from backups.stages.restore.hand_over import HandOver
from backups.stages.restore.prepare import Prepare
from backups.stages.restore.replay import ReplayTransactions
from backups.stages.restore.start_once import StartOnce
from backups.stages.restore.work import RestoreWork

STAGES = (
    FindTransactions(),
    CheckTarget(),
    Extract(),
    Prepare(),
    ReplayTransactions(),
    StartOnce(),
    HandOver(),
)

__all__ = ["STAGES", "RestoreWork"]
