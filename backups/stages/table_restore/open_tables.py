"""Starts a private server that has the wanted tables, and decides how each gets to its target."""

from __future__ import annotations

from backups.exceptions import Refused
from backups.opened_tables.open import part_server, prepare_part
from backups.opened_tables.part import PartTable
from backups.programs.server_session import session
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.table_restore.work import TableRestoreWork
from backups.table_restores.files import files_of
from backups.table_restores.numbers import numbers_in_use, numbers_of
from backups.table_restores.rows import count_rows, create_statement
from backups.table_restores.target import connected
from backups.table_restores.ways import Way, choose_way, why_numbers
from backups.units import format_count


class OpenTables(PlainStage[TableRestoreWork]):
    name = "open tables"
    # Crash recovery can take long without any output.
    watched = False
    # Nothing was made at the target yet.
    may_refuse = True

    def run(self, run: Run, work: TableRestoreWork) -> str:
        found, data = work.part(), work.data()
        prepare_part(found, data, run, work.server_program)
        work.server = part_server(found, data, run, work.server_program)
        with run.ending_by(work.server.kill):
            work.server.start()
            run.process_started(*work.server.process)
            self._look(run, work)
        rows = format_count(sum(work.rows.values()), "row")
        return f"{rows} in {format_count(len(work.rows), 'table')}"

    def _look(self, run: Run, work: TableRestoreWork) -> None:
        backup, new_tables = work.copy.backup, work.new_tables()
        with session(work.opened()) as connection:
            for table in work.part().part.tables:
                run.check()
                created = create_statement(connection, table.name)
                work.rows[table.name] = count_rows(connection, table.name)
                if work.asked.to_folder is not None and not table.files:
                    raise Refused(
                        f"{table.name} has no files of its own",
                        hint="Use --sql FILE or --to-instance NAME.",
                    )
                if work.target is None:
                    continue
                way = choose_way(
                    table,
                    created,
                    new_tables[table.name],
                    work.target,
                    backup.engine,
                    backup.server_version,
                )
                if way.by_files and (used := self._numbers_in_use(work, table)):
                    way = Way(by_files=False, reason=why_numbers(used))
                work.ways[table.name] = way
                run.log(self.name, f"{table.name}: {way.words}")

    def _numbers_in_use(self, work: TableRestoreWork, table: PartTable) -> list[int]:
        assert work.target is not None
        with connected(work.target.instance) as connection:
            numbers = numbers_of(work.data(), files_of(work.data(), table.name))
            return numbers_in_use(connection, numbers)

    def clean_up(self, run: Run, work: TableRestoreWork) -> None:
        if work.server is not None:
            work.server.stop()
