"""Is every table in the instance sound and complete, before it gets its name?"""

from __future__ import annotations

from backups.models.job import LogLevel
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.table_restore.work import TableRestoreWork
from backups.table_restores.outcome import check_whole, find_orphans
from backups.table_restores.target import connected
from backups.units import format_count


class CheckTransferred(PlainStage[TableRestoreWork]):
    name = "check tables"
    # One table can take longer than any sensible silence.
    watched = False

    def should_run(self, run: Run, work: TableRestoreWork) -> bool:
        return work.asked.to_instance is not None

    def run(self, run: Run, work: TableRestoreWork) -> str:
        assert work.target is not None
        orphans: list[str] = []
        with connected(work.target.instance) as connection:
            for table, new in work.new_tables().items():
                run.check()
                check_whole(connection, new.temporary, work.rows[table])
                orphans += [f"{table}, {text}" for text in find_orphans(connection, new.temporary)]
        for text in orphans:
            run.log(self.name, text, LogLevel.WARNING)
        passed = f"{format_count(len(work.rows), 'table')} passed"
        return f"{passed}; {'; '.join(orphans)}" if orphans else passed
