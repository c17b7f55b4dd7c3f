"""May the tables go where they are to? Refused, with the reason, before anything is made there."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.utils.timezone import localdate

from backups.opened_tables.open import find_part
from backups.opened_tables.work_folder import make_work_folder, remove_work_folder
from backups.programs.ancestors import check_ancestors
from backups.restores.target import check_room, check_server, claim_folder, refuse_target
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.export.check_file import refuse_file
from backups.stages.table_restore.work import TableRestoreWork
from backups.table_restores.leftovers import remove_unfinished_tables
from backups.table_restores.target import examine_target, named_instance
from backups.transitions.jobs import own
from backups.units import format_bytes, format_count


class CheckTableTarget(PlainStage[TableRestoreWork]):
    name = "check target"
    may_refuse = True

    def run(self, run: Run, work: TableRestoreWork) -> str:
        work.found = find_part(work.copy, list(work.names))
        part = work.found.part
        server = check_server(work.copy, work.server_program, starts=True)
        room = check_room(Path(settings.SCRATCH_FOLDER), part.bytes)
        self._check(run, work)
        own(run.job, run.token, leftovers=True)
        work.folder = make_work_folder()
        if work.asked.to_folder is not None:
            claim_folder(Path(work.asked.to_folder), run.job.pk)
        tables = format_count(len(part.tables), "table")
        return f"{tables}, {format_bytes(part.bytes)} with the system's files; {room}; {server}"

    def _check(self, run: Run, work: TableRestoreWork) -> None:
        asked, part = work.asked, work.part().part
        rows_bytes = sum(table.bytes for table in part.tables)
        if asked.to_folder is not None:
            folder = Path(asked.to_folder)
            refuse_target(folder)
            check_ancestors(folder)
            check_room(folder, rows_bytes)
        elif asked.sql_file is not None:
            refuse_file(Path(asked.sql_file))
            check_room(Path(asked.sql_file).parent, rows_bytes)
        else:
            work.target = examine_target(
                named_instance(asked.to_instance or ""),
                run.job.engine,
                work.names,
                token=asked.token,
                replace=asked.replace,
                today=localdate(),
            )
            if work.target.folder:
                check_room(Path(work.target.folder), rows_bytes)

    def clean_up(self, run: Run, work: TableRestoreWork) -> None:
        """Remove what is not whole: nothing was made yet under a table's own name."""
        if work.folder is not None:
            remove_work_folder(work.folder)
            remove_unfinished_tables(work.asked, run.job.pk)
        run.forget_leftovers()
