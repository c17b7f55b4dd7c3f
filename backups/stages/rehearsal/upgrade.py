"""Does the newer server start, upgrade and start again on the copy, and do its tables pass?"""

from __future__ import annotations

from contextlib import AbstractContextManager

from django.utils.timezone import now

from backups.exceptions import StageFailed
from backups.restores.upgrade_program import UpgradeProgram
from backups.restores.upgraded_server import run_upgrader, upgraded_server
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.proof.check_tables import CheckTables
from backups.stages.rehearsal.result import failure_of_rehearsal, record_rehearsal
from backups.stages.restore.work import RestoreWork


class Upgrade(PlainStage[RestoreWork]):
    name = "upgrade"
    # One table can take longer than any sensible silence.
    watched = False

    def run(self, run: Run, work: RestoreWork) -> str:
        program = program_of(work)
        with failure_of_rehearsal(run, work, self.name):
            server = upgraded_server(run.job.engine, work.target, program, work.keys, run.check)
            work.server = server
            with run.ending_by(server.kill):
                server.start()
                run.process_started(*server.process)
                version = server.version()
                run_upgrader(run, server, program)
                server.shut_down()
            run.check()
        return f"{version} started, upgraded and shut down"

    def clean_up(self, run: Run, work: RestoreWork) -> None:
        if work.server is not None:
            # Its files are removed next.
            work.server.kill()
            work.server.stop()


class StartUpgraded(PlainStage[RestoreWork]):
    """As after any upgrade: what was changed counts from the next start on."""

    name = "start upgraded"
    watched = False

    def run(self, run: Run, work: RestoreWork) -> str:
        with failure_of_rehearsal(run, work, self.name):
            server = upgraded_server(
                run.job.engine, work.target, program_of(work), work.keys, run.check
            )
            work.server = server
            server.start()
            run.process_started(*server.process)
            version = server.version()
        work.answered_at = now()
        return f"answered: {version}"

    def clean_up(self, run: Run, work: RestoreWork) -> None:
        if work.server is not None:
            # Its files are removed next.
            work.server.kill()
            work.server.stop()


class CheckUpgraded(CheckTables):
    name = "check upgraded"
    ways = (" FOR UPGRADE", "")

    def failures(self, run: Run, work: RestoreWork) -> AbstractContextManager[None]:
        return failure_of_rehearsal(run, work, self.name)

    def refute(self, run: Run, work: RestoreWork, error: str) -> None:
        record_rehearsal(run, work, failed_stage=self.name, error=error)


def program_of(work: RestoreWork) -> UpgradeProgram:
    """Return the program that the first stage found."""
    if work.upgrade is None:
        raise StageFailed("the server program to upgrade to was not looked at")
    return work.upgrade
