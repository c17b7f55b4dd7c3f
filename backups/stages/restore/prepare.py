"""Applies the redo log, so that a server can start on the files."""

from __future__ import annotations

from django.conf import settings

from backups.engines import engine_named
from backups.engines.base import Prepared
from backups.models import Backup
from backups.models.job import LogLevel
from backups.restores.run_user import change_owner, find_run_user, give_folder
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.restore.work import RestoreWork


class Prepare(PlainStage[RestoreWork]):
    name = "prepare"

    def should_run(self, run: Run, work: RestoreWork) -> bool:
        return not work.raw

    def run(self, run: Run, work: RestoreWork) -> str:
        engine = engine_named(run.job.engine)
        lend_files(run, work)
        work.prepared = engine.prepare(work.target, run, server=work.server_program, keys=work.keys)
        run.check()
        remember_position(work.copy.backup, work.prepared)
        return work.prepared.detail


def lend_files(run: Run, work: RestoreWork) -> None:
    """Give the files to the user that programs run as, where there is one."""
    work.run_user, why_not = find_run_user(settings.RUN_USER, work.target)
    if why_not:
        run.log(Prepare.name, why_not, LogLevel.WARNING)
    if work.run_user is not None:
        change_owner(work.target, *work.run_user)
        give_folder(work.target, *work.run_user)


def remember_position(backup: Backup, found: Prepared) -> None:
    """Store coordinates that only a recovered copy has; known ones are not changed."""
    if not backup.binlog_file and found.binlog_file:
        backup.binlog_file, backup.binlog_position = found.binlog_file, found.binlog_position
        backup.save(update_fields=["binlog_file", "binlog_position"])
    if not backup.gtid_executed and found.gtid_executed:
        backup.gtid_executed = found.gtid_executed
        backup.save(update_fields=["gtid_executed"])
