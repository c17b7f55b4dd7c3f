"""Does a server start on the prepared files? Only then is a restore ready.

A copy can be prepared without an error and still have what no server starts on.
"""

from __future__ import annotations

from backups.engines import engine_named
from backups.exceptions import EngineError
from backups.models.job import LogLevel
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.restore.work import RestoreWork

HINT = "To get the files all the same, restore again with --no-start."


class StartOnce(PlainStage[RestoreWork]):
    name = "start once"
    # Crash recovery can take long without any output.
    watched = False

    def should_run(self, run: Run, work: RestoreWork) -> bool:
        started = work.prepared.started and work.replayed is None
        return not work.raw and not work.no_start and not started

    def run(self, run: Run, work: RestoreWork) -> str:
        server = engine_named(run.job.engine).restored_server(
            work.target, server=work.server_program, on_wait=run.check, keys=work.keys
        )
        try:
            with run.ending_by(server.kill):
                server.start()
                run.process_started(*server.process)
                version = server.version()
                server.shut_down()
        except EngineError as exc:
            run.check()
            raise EngineError(f"no server starts on the restored files: {exc}", hint=HINT) from exc
        finally:
            server.stop()
        work.started_once = True
        work.remark = server.remark
        if server.remark:
            run.log(self.name, server.remark, LogLevel.WARNING)
        return f"{version} started and shut down"
