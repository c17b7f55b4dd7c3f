"""Applies the redo log, so that a server can start on the files."""

from __future__ import annotations

from django.conf import settings

from backups.engines import engine_named
from backups.engines.base import Prepared
from backups.models import Backup
from backups.models.job import LogLevel
from backups.programs.free_memory import free_memory
from backups.restores.prepare_memory import PrepareMemory, count_restores_here, share_memory
from backups.restores.run_user import change_owner, find_run_user, give_folder
from backups.restores.target import restored_size
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
        memory = _memory_for(run, work)
        work.prepared = engine.prepare(
            work.target,
            run,
            server=work.server_program,
            keys=work.keys,
            memory_bytes=memory.granted_bytes,
        )
        run.check()
        # Nothing is left to apply: the stages after it have no progress of their own.
        run.meter.current_file, run.meter.reported_rate = "", None
        remember_position(work.copy.backup, work.prepared)
        return work.prepared.detail


def _memory_for(run: Run, work: RestoreWork) -> PrepareMemory:
    """Return the memory of the program that applies the redo log, and log it."""
    restores = count_restores_here(run.job.worker)
    memory = share_memory(
        free_memory(),
        restores,
        most_bytes=settings.PREPARE_MEMORY_BYTES,
        copy_bytes=restored_size(work.copy.backup),
    )
    run.log(Prepare.name, memory.words)
    return memory


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
