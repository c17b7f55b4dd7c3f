"""Extract and prepare as in a restore, but a failure is evidence against the copy."""

from __future__ import annotations

from backups.running.run import Run
from backups.stages.proof.evidence import failure_as_evidence
from backups.stages.restore.extract import Extract
from backups.stages.restore.prepare import Prepare
from backups.stages.restore.work import RestoreWork


class ProvedExtract(Extract):
    def run(self, run: Run, work: RestoreWork) -> str:
        with failure_as_evidence(run, work.copy, self.name):
            return super().run(run, work)


class ProvedPrepare(Prepare):
    def run(self, run: Run, work: RestoreWork) -> str:
        with failure_as_evidence(run, work.copy, self.name):
            return super().run(run, work)
