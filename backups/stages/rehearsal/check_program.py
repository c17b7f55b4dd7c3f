"""Is the given server program one to upgrade this backup to? Refused before anything is read."""

from __future__ import annotations

from backups.catalog.facts import facts_of
from backups.exceptions import StageFailed
from backups.restores.own_checks import parse_own_checks
from backups.restores.upgrade_program import check_upgrade, find_upgrade_program
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.restore.work import RestoreWork


class CheckProgram(PlainStage[RestoreWork]):
    name = "check program"
    may_refuse = True

    def run(self, run: Run, work: RestoreWork) -> str:
        if work.rehearsal is None:
            raise StageFailed("the job does not say what it upgrades to")
        parse_own_checks(work.rehearsal.sql)
        program = find_upgrade_program(work.rehearsal.mysqld, work.target)
        backup = work.copy.backup
        ruling = check_upgrade(facts_of(backup), backup.engine, program)
        work.upgrade = program
        return f"{program.server.path}: {ruling}"
