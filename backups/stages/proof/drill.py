"""Does a recovery to a moment work? The stages after a restore test of the backup itself.

What fails here is no evidence against the copy: its own test has passed.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from backups.exceptions import StageFailed
from backups.models.job import LogLevel
from backups.restores.target import release_folder
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.proof.check_tables import CheckTables
from backups.stages.proof.drill_result import failure_of_drill, record_drill
from backups.stages.proof.start_server import StartServer
from backups.stages.restore.find_transactions import FindTransactions
from backups.stages.restore.replay import ReplayTransactions
from backups.stages.restore.work import RestoreWork
from backups.units import format_duration


class FindDrilled(FindTransactions):
    """Are the transactions there, as the recoverable range says they are?"""

    def run(self, run: Run, work: RestoreWork) -> str:
        if work.test is not None and work.test.not_replayed:
            text = f"the backup alone is tested: {work.test.not_replayed}"
            run.log(self.name, text, LogLevel.WARNING)
            return text
        with failure_of_drill(run, work, self.name):
            return super().run(run, work)


class DrilledReplay(ReplayTransactions):
    def run(self, run: Run, work: RestoreWork) -> str:
        with failure_of_drill(run, work, self.name):
            return super().run(run, work)


class StartAtMoment(StartServer):
    name = "start at moment"

    def failures(self, run: Run, work: RestoreWork) -> AbstractContextManager[None]:
        return failure_of_drill(run, work, self.name)


class CheckAtMoment(CheckTables):
    name = "check at moment"

    def failures(self, run: Run, work: RestoreWork) -> AbstractContextManager[None]:
        return failure_of_drill(run, work, self.name)

    def refute(self, run: Run, work: RestoreWork, error: str) -> None:
        record_drill(run, work, failed_stage=self.name, error=error)


class RecordDrill(PlainStage[RestoreWork]):
    name = "record drill"
    watched = False

    def run(self, run: Run, work: RestoreWork) -> str:
        if work.server is None:
            raise StageFailed("the restored server was never started")
        with failure_of_drill(run, work, self.name):
            work.server.shut_down()
        release_folder(work.target, run.job.pk)
        run.forget_leftovers()
        drill = record_drill(run, work)
        return f"recovery to the moment took {format_duration(drill.recovery_time)}"
