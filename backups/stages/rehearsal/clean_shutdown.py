"""Starts the backup's own series once, and shuts it down so that nothing is left to be done.

A newer series opens neither what an older one has to roll back, nor a redo log that is in use.
MariaDB 11 has no change buffer: what is in it has to be merged before.
"""

from __future__ import annotations

from backups.restores.upgraded_server import own_server
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.rehearsal.result import failure_of_rehearsal
from backups.stages.restore.work import RestoreWork


class CleanShutdown(PlainStage[RestoreWork]):
    name = "clean shutdown"
    # Crash recovery and purge can take long without any output.
    watched = False

    def run(self, run: Run, work: RestoreWork) -> str:
        with failure_of_rehearsal(run, work, self.name):
            server = own_server(
                run.job.engine, work.target, work.server_program, work.keys, run.check
            )
            try:
                with run.ending_by(server.kill):
                    server.start()
                    run.process_started(*server.process)
                    version = server.version()
                    server.shut_down()
            except BaseException:
                server.kill()
                run.check()
                raise
            finally:
                server.stop()
        return f"{version} shut down with innodb_fast_shutdown=0"
