"""The redo log is applied, so that a server can start on the files."""

from __future__ import annotations

import io
from typing import cast

from backups.engines import engine_named
from backups.run import Run
from backups.runners.base import RunningCommand
from backups.runners.local import LocalRunner
from backups.stages.base import PlainStage
from backups.stages.restore.work import RestoreWork


class Prepare(PlainStage[RestoreWork]):
    name = "prepare"

    def should_run(self, run: Run, work: RestoreWork) -> bool:
        return not work.raw

    def run(self, run: Run, work: RestoreWork) -> str:
        engine = engine_named(run.job.engine)
        argv = engine.prepare_argv(work.target)
        with LocalRunner().start(argv, secret_files={}) as command, run.ending_by(command.stop):
            said = self._listen(run, argv[0], command)
            exit_code = command.wait()
        run.check()
        engine.check_prepare(exit_code, said)
        return ""

    def _listen(self, run: Run, tool: str, command: RunningCommand) -> str:
        """Pass on what the tool says as it says it; return all of it."""
        said: list[str] = []
        with io.BufferedReader(cast(io.RawIOBase, command.stderr)) as source:
            for line in source:
                said.append(line.decode("utf-8", errors="replace").rstrip())
                run.log(tool, said[-1])
        return "\n".join(said)
