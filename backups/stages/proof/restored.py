"""Extract and prepare as a restore does them, but a failure is evidence against the copy."""

from __future__ import annotations

from backups.running.run import Run
from backups.stages.proof.evidence import failing_counts
from backups.stages.restore.extract import Extract
from backups.stages.restore.prepare import Prepare
from backups.stages.restore.work import RestoreWork


class ProvedExtract(Extract):
    def run(self, run: Run, work: RestoreWork) -> str:
        with failing_counts(run, work.copy, self.name):
            return super().run(run, work)


class ProvedPrepare(Prepare):
    def run(self, run: Run, work: RestoreWork) -> str:
        with failing_counts(run, work.copy, self.name):
            return super().run(run, work)
