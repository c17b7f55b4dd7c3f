"""Do the admin's own checks pass on the upgraded server?"""

from __future__ import annotations

import pymysql

from backups.exceptions import EngineError
from backups.models.job import LogLevel
from backups.programs.server_session import gone, session
from backups.restores.own_checks import parse_own_checks, run_own_checks
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.rehearsal.result import failure_of_rehearsal
from backups.stages.restore.work import RestoreWork
from backups.units import format_count


class RunOwnChecks(PlainStage[RestoreWork]):
    name = "own checks"
    # A query can take longer than any sensible silence.
    watched = False

    def should_run(self, run: Run, work: RestoreWork) -> bool:
        return work.rehearsal is not None and bool(parse_own_checks(work.rehearsal.sql))

    def run(self, run: Run, work: RestoreWork) -> str:
        if work.server is None or work.rehearsal is None:
            raise EngineError("no server to check: it was not started")
        statements = parse_own_checks(work.rehearsal.sql)
        with failure_of_rehearsal(run, work, self.name), run.ending_by(work.server.kill):
            try:
                with session(work.server) as connection:
                    for checked in run_own_checks(connection, statements):
                        run.check()
                        work.own_checks.append(checked)
                        level = LogLevel.INFO if checked.passed else LogLevel.ERROR
                        run.log(self.name, f"{checked.found}: {checked.statement}", level)
            except pymysql.Error:
                raise gone(work.server, "own checks were run") from None
            run.check()
            failed = [checked for checked in work.own_checks if not checked.passed]
            if failed:
                raise EngineError(
                    f"{len(failed)} of {format_count(len(statements), 'own check')} failed: "
                    f"{failed[0].statement[:200]} found {failed[0].found}",
                    hint="Run the statement on the instance itself: it may fail there too.",
                )
        return f"{format_count(len(statements), 'own check')} passed"
