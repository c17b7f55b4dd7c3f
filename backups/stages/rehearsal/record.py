"""Records a rehearsal that passed, and removes its files."""

from __future__ import annotations

from backups.exceptions import StageFailed
from backups.restores.target import release_folder
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.rehearsal.result import failure_of_rehearsal, record_rehearsal
from backups.stages.restore.work import RestoreWork


class RecordRehearsal(PlainStage[RestoreWork]):
    name = "record rehearsal"
    watched = False

    def run(self, run: Run, work: RestoreWork) -> str:
        if work.server is None:
            raise StageFailed("the upgraded server was never started")
        # The shutdown is part of it: an upgraded server must also end in order.
        with failure_of_rehearsal(run, work, self.name):
            work.server.shut_down()
        release_folder(work.target, run.job.pk)
        run.forget_leftovers()
        return str(record_rehearsal(run, work))
