"""Extract and prepare as in a restore, but a failure is the rehearsal's result."""

from __future__ import annotations

from backups.running.run import Run
from backups.stages.rehearsal.result import failure_of_rehearsal
from backups.stages.restore.extract import Extract
from backups.stages.restore.prepare import Prepare
from backups.stages.restore.work import RestoreWork


class RehearsedExtract(Extract):
    def run(self, run: Run, work: RestoreWork) -> str:
        with failure_of_rehearsal(run, work, self.name):
            return super().run(run, work)


class RehearsedPrepare(Prepare):
    def run(self, run: Run, work: RestoreWork) -> str:
        with failure_of_rehearsal(run, work, self.name):
            return super().run(run, work)
