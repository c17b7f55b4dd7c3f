"""Does a server start on the restored files, and how long after the first byte was read?"""

from __future__ import annotations

from contextlib import AbstractContextManager

from django.utils.timezone import now

from backups.engines import engine_named
from backups.models.job import LogLevel
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.proof.evidence import failure_as_evidence
from backups.stages.restore.work import RestoreWork


class StartServer(PlainStage[RestoreWork]):
    name = "start server"
    # Crash recovery can take long without any output.
    watched = False

    def failures(self, run: Run, work: RestoreWork) -> AbstractContextManager[None]:
        """Return what records a failure inside, against whatever is tested."""
        return failure_as_evidence(run, work.copy, self.name)

    def run(self, run: Run, work: RestoreWork) -> str:
        with self.failures(run, work):
            engine = engine_named(run.job.engine)
            work.server = engine.restored_server(
                work.target, server=work.server_program, on_wait=run.check, keys=work.keys
            )
            work.server.start()
            run.process_started(*work.server.process)
        work.answered_at = now()
        work.remark = work.server.remark
        if work.remark:
            run.log(self.name, work.remark, LogLevel.WARNING)
        return f"answered: {work.server.version()}"

    def clean_up(self, run: Run, work: RestoreWork) -> None:
        if work.server is not None:
            work.server.stop()
