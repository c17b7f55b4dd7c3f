"""The stages of a restore: into an empty folder, prepared, replayed onto, and handed over."""

from __future__ import annotations

from collections.abc import Sequence

from backups.binlog_archive.recovery.goals import goal_of
from backups.parameters import RestoreParameters
from backups.stages.base import Stage
from backups.stages.restore.check_target import CheckTarget
from backups.stages.restore.extract import Extract
from backups.stages.restore.find_transactions import FindTransactions
from backups.stages.restore.hand_over import HandOver
from backups.stages.restore.prepare import Prepare
from backups.stages.restore.replay import ReplayTransactions
from backups.stages.restore.start_once import StartOnce
from backups.stages.restore.take_over import TakeOver
from backups.stages.restore.work import RestoreWork

_BEGINNING = (CheckTarget(), Extract(), Prepare())
_END = (StartOnce(), HandOver())
FIND, REPLAY = FindTransactions(), ReplayTransactions()
# Of a backup as it is.
STAGES = (*_BEGINNING, *_END)
# With archived transactions on top.
STAGES_WITH_REPLAY = (FIND, *_BEGINNING, REPLAY, *_END)
# On a folder that another job left.
TAKE_OVER = TakeOver()
STAGES_CONTINUED = (FIND, TAKE_OVER, REPLAY, *_END)
# Each once, in an order that all of them keep.
KNOWN_STAGES = (FIND, *_BEGINNING, TAKE_OVER, REPLAY, *_END)


def stages_for(asked: RestoreParameters) -> Sequence[Stage[RestoreWork]]:
    """Return the stages that a request leads to."""
    if asked.continues is not None:
        return STAGES_CONTINUED
    return STAGES if goal_of(asked) is None else STAGES_WITH_REPLAY


__all__ = ["KNOWN_STAGES", "STAGES", "STAGES_WITH_REPLAY", "RestoreWork", "stages_for"]
