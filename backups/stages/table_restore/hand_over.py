"""Gives what was restored its name: from here on it is there, and whole."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pymysql
from django.db import Error

from backups.exceptions import StageFailed
from backups.opened_tables.work_folder import remove_work_folder
from backups.programs.server_session import is_lost
from backups.repositories.exported.writer import publish
from backups.restores.target import hand_over_folder
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.table_restore.work import TableRestoreWork
from backups.table_restores.target import NewTable, connected
from backups.table_restores.target import run as run_statement
from backups.table_restores.transfer import rename_statement


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
        try:
            with connected(work.target.instance) as connection:
                run_statement(connection, "SET SESSION foreign_key_checks = 0")
                run_statement(connection, rename_statement(new_tables))
        except pymysql.Error as exc:
            raise _not_named(exc, new_tables.values()) from None
        kept = [f"{new.name} kept as {new.kept_as}" for new in new_tables.values() if new.kept_as]
        names = ", ".join(str(new.name) for new in new_tables.values())
        return "; ".join([names, *kept])


def _not_named(exc: pymysql.Error, new_tables: Iterable[NewTable]) -> StageFailed:
    """Return the error of a renaming: the server refused it, or its answer never came."""
    if not is_lost(exc):
        return StageFailed(
            f"the restored tables could not get their names: {exc.args[-1]}",
            hint="Nothing was changed; find out who holds a lock on the table.",
        )
    names = ", ".join(f"{new.kept_as or new.temporary}" for new in new_tables)
    return StageFailed(
        "the connection was lost while the restored tables got their names: whether they have them "
        "is unknown",
        hint=f"Look in the instance for {names}: a table of that name that is kept was replaced, "
        "one with a temporary name was not restored and is removed.",
    )
