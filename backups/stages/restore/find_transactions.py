"""Are the transactions to be replayed archived, and do they join the backup? Refused if not."""

from __future__ import annotations

from backups.binlog_archive.recovery.starts import recovery_of
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.restore.work import RestoreWork


class FindTransactions(PlainStage[RestoreWork]):
    name = "find transactions"
    may_refuse = True
    # An index is made where a piece has none.
    watched = False

    def run(self, run: Run, work: RestoreWork) -> str:
        if work.goal is None:
            return "the backup as it is"
        work.recovery = recovery_of(work.copy.backup, work.goal)
        if work.recovery is None:
            return "the backup's position is known once it is prepared; they are looked for then"
        return str(work.recovery)
