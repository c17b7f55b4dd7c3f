"""What is measured of clones in each section?"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

from backups.programs.private_server import PrivateServer
from bench.clone_shell import CloneShell
from bench.database import OPTIONS, Database, count_rows
from bench.load import WriteLoad
from bench.measure import MIB, BenchError, measure
from bench.mooring import Finished, Mooring
from bench.mysql_database import MysqlDatabase, initialise
from bench.rounds import Rounds
from bench.shell import remove

# Besides the main connection, which brings its share of the data too.
WORKERS = {"1 connection": 0, "3 workers": 3}
SAMPLE_SECONDS = 0.05


@dataclass(slots=True)
class CloneBench(Rounds):
    """The sections. The database is the one that runs as ``server``."""

    database: MysqlDatabase
    shell: CloneShell

    def backup(self, *, dump: bool) -> None:
        plain = self.database.without_tls()
        candidates = {
            "mooring": lambda: self._take(self.database),
            "mooring without TLS": lambda: self._take(plain),
            "clone local": self._clone_local,
        }
        if dump:
            candidates["dump"] = lambda: self.pipe(lambda sink: self.shell.dump(self.server, sink))
        self.play("backup", candidates)

    def restore(self, *, load_dump: bool) -> None:
        """From what is stored to a server that answers; loading a dump is measured once."""
        label, rows = self.mooring.take(self.database).label, count_rows(self.server)
        self.turn("restore", "mooring", 1, lambda: self._restore_and_start(label, rows))
        self.mooring.purge(label)
        if load_dump:
            stored = self.folder / "dump.zst"
            self.shell.dump(self.server, stored)
            self.turn("restore", "dump", 1, lambda: self._load_dump(stored, rows))
            remove(stored)

    def memory(self) -> None:
        for name, workers in WORKERS.items():
            self.turn("memory", name, 1, partial(self._peak, workers))

    def load(self, *, rate: int, seconds: int) -> None:
        rows = self.database.rows_per_table
        writers = WriteLoad(self.server, self.folder, rate=rate, table_rows=rows)
        self.play(
            "load",
            {
                "nothing": lambda: self.beside(writers, lambda: time.sleep(seconds)),
                "mooring": lambda: self._take_beside(writers),
                "clone local": lambda: self._clone_local_beside(writers),
            },
        )

    def _take(self, database: Database) -> Mapping[str, float]:
        with Staging(self.mooring) as staging:
            taken, figures = self.job(lambda: self.mooring.take(database))
        spilled = int(self.mooring.fact(taken.label, "spilled_bytes"))
        self.mooring.purge(taken.label)
        return {
            **figures,
            "copy_s": taken.stages_s["copy"],
            "stored_bytes": taken.stored_bytes,
            "staged_bytes": spilled + staging.peak_bytes,
        }

    def _clone_local(self) -> Mapping[str, float]:
        figures = self.pipe(lambda sink: self.shell.clone_and_pack(self.server, sink))
        # Not in its time; a person would have to do it as well.
        staged = float(self.database.table_bytes)
        self.shell.remove_clone()
        return {**figures, "staged_bytes": staged}

    def _restore_and_start(self, label: str, rows: int) -> Mapping[str, float]:
        target = self.folder / "restored"
        server = PrivateServer(target, self.database.settings(OPTIONS, binlog=False))
        jobs: list[Finished] = []

        def work() -> float:
            jobs.append(self.mooring.restore(label, target, raw=False))
            server.start()
            return jobs[0].process.cpu_s

        try:
            cost = measure(work)
            _check_rows(server, rows)
        finally:
            server.stop()
        shutil.rmtree(target)
        stages = {f"{name}_s": jobs[0].stages_s[name] for name in ("extract", "prepare")}
        return {**cost.figures(), **jobs[0].figures(), **stages}

    def _load_dump(self, stored: Path, rows: int) -> Mapping[str, float]:
        """Load into an empty server that runs already and keeps no binlog."""
        target = self.folder / "loaded"
        settings = self.database.settings(OPTIONS, binlog=False)
        assert settings.program is not None
        initialise(target, settings.program)
        with PrivateServer(target, settings) as server:
            cost = measure(lambda: self.shell.load(stored, server), server_pid=server.pid)
            _check_rows(server, rows)
        shutil.rmtree(target)
        return cost.figures()

    def _peak(self, workers: int) -> Mapping[str, float]:
        taken = self.mooring.take(self.database, threads=workers + 1)
        self.mooring.purge(taken.label)
        return {
            "peak_rss_mib": taken.process.peak_rss_bytes / MIB,
            "tables_mib": self.database.table_bytes / MIB,
        }

    def _take_beside(self, writers: WriteLoad) -> Mapping[str, float]:
        jobs: list[Finished] = []
        figures = self.beside(writers, lambda: jobs.append(self.mooring.take(self.database)))
        self.mooring.purge(jobs[0].label)
        return {**figures, "job_s": jobs[0].job_s, "lock_s": jobs[0].lock_s}

    def _clone_local_beside(self, writers: WriteLoad) -> Mapping[str, float]:
        sink = self.folder / "stream"
        figures = self.beside(writers, lambda: self.shell.clone_and_pack(self.server, sink))
        self.shell.remove_clone()
        remove(sink)
        return figures


class Staging:
    """Looks at how far the state folder grows while something is done. Use as a context."""

    def __init__(self, mooring: Mooring) -> None:
        self.peak_bytes = 0
        self._mooring, self._before = mooring, mooring.state_bytes()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Staging:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, self._mooring.state_bytes() - self._before)


def _check_rows(server: PrivateServer, rows: int) -> None:
    if (count := count_rows(server)) != rows:
        raise BenchError(f"a restored table holds {count} rows, not {rows}")
