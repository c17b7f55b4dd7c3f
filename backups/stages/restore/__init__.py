"""The stages of a restore: into an empty folder, prepared, and handed over."""

from __future__ import annotations

from backups.stages.restore.check_target import CheckTarget
from backups.stages.restore.extract import Extract
from backups.stages.restore.hand_over import HandOver
from backups.stages.restore.prepare import Prepare
from backups.stages.restore.start_once import StartOnce
from backups.stages.restore.work import RestoreWork

STAGES = (CheckTarget(), Extract(), Prepare(), StartOnce(), HandOver())

__all__ = ["STAGES", "RestoreWork"]
