"""Gives what was restored its name: from here on it is there, and whole."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from django.db import Error

from backups.opened_tables.work_folder import remove_work_folder
from backups.repositories.exported.writer import publish
from backups.restores.target import hand_over_folder
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.table_restore.work import TableRestoreWork
from backups.table_restores.naming import give_names
from backups.table_restores.target import connected


class HandOverTables(PlainStage[TableRestoreWork]):
    name = "hand over"

    def run(self, run: Run, work: TableRestoreWork) -> str:
        run.check()
        words = self._hand_over(run, work)
        work.opened().stop()
        if work.folder is not None:
            remove_work_folder(work.folder)
        # Even if this write fails: nothing is left that a tick would remove.
        with suppress(Error):
            run.forget_leftovers()
        return words

    def _hand_over(self, run: Run, work: TableRestoreWork) -> str:
        if work.asked.to_folder is not None:
            hand_over_folder(Path(work.asked.to_folder))
            return work.asked.to_folder
        if work.asked.sql_file is not None:
            publish(Path(work.asked.sql_file), run.job.pk)
            return work.asked.sql_file
        assert work.target is not None
        new_tables = work.new_tables()
        with connected(work.target.instance) as connection:
            give_names(connection, list(new_tables.values()), run.check)
        kept = [f"{new.name} kept as {new.kept_as}" for new in new_tables.values() if new.kept_as]
        names = ", ".join(str(new.name) for new in new_tables.values())
        return "; ".join([names, *kept])
