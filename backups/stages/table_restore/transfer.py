"""Takes the tables out of the private server: into an instance, a folder or a file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from backups.exceptions import StageFailed
from backups.programs.compatibility import CLONE
from backups.repositories.exported.writer import unfinished_path
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.table_restore.work import TableRestoreWork
from backups.table_restores.target import connected
from backups.table_restores.transfer import Transfer
from backups.table_restores.written import write_files, write_sql
from backups.units import format_bytes, format_count


class TransferTables(PlainStage[TableRestoreWork]):
    name = "transfer"
    # An import, or a statement on a busy instance, can take longer than any sensible silence.
    watched = False

    def run(self, run: Run, work: TableRestoreWork) -> str:
        with run.ending_by(work.opened().kill):
            try:
                if work.target is not None:
                    return self._into_instance(run, work)
                return self._write(run, work)
            except OSError as exc:
                raise StageFailed(
                    f"{exc.filename or 'the target'}: {exc.strerror}",
                    hint="Nothing incomplete was kept.",
                ) from exc

    def _into_instance(self, run: Run, work: TableRestoreWork) -> str:
        assert work.target is not None
        meter = run.new_meter()
        done: Counter[str] = Counter()
        with connected(work.target.instance) as connection:
            transfer = Transfer(
                work.opened(),
                work.target,
                connection,
                meter,
                run.check,
                lambda text: run.log(self.name, text),
            )
            transfer.begin()
            for table, new in work.new_tables().items():
                meter.current_file = str(table)
                words = transfer.transfer(new, work.ways[table])
                run.log(self.name, f"{table} is in {new.temporary}, {words}")
                done[words.partition(":")[0]] += 1
        ways = ", ".join(f"{format_count(count, 'table')} {way}" for way, count in done.items())
        return f"{ways}, {format_bytes(meter.raw_bytes)}"

    def _write(self, run: Run, work: TableRestoreWork) -> str:
        meter = run.new_meter()
        server, asked = work.opened(), work.asked
        if asked.to_folder is not None:
            folder = Path(asked.to_folder)
            count = write_files(
                server,
                work.names,
                folder,
                whole_partitions=work.copy.backup.engine == CLONE,
                meter=meter,
                check=run.check,
            )
            return f"{format_count(count, 'file')}, {format_bytes(meter.raw_bytes)}"
        backup = work.copy.backup
        path = unfinished_path(Path(asked.sql_file or ""), run.job.pk)
        heading = f"Tables of {backup.label}, a backup of {backup.server_version}"
        rows = write_sql(server, work.names, path, heading=heading, meter=meter, check=run.check)
        if rows != work.rows:
            raise StageFailed(f"{rows} rows were written, the tables have {work.rows}")
        return f"{format_count(sum(rows.values()), 'row')}, {format_bytes(meter.raw_bytes)}"
