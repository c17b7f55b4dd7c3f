"""What is measured in each section? Rounds in which every candidate has its turn."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backups.programs.private_server import PrivateServer, ServerOptions, initialise
from bench.busy_disk import busy_disk
from bench.database import OPTIONS, Database, count_rows
from bench.load import WriteLoad
from bench.measure import MIB, BenchError, measure, tree_bytes
from bench.mooring import Finished
from bench.rounds import Candidate, Rounds
from bench.shell import Shell, remove


@dataclass(slots=True)
class Bench(Rounds):
    """The sections. The database is the one that runs as ``server``."""

    database: Database
    shell: Shell

    def backup(self, *, pipelines: bool, dump: bool) -> None:
        candidates: dict[str, Candidate] = {"mooring": self._take}
        if pipelines:
            login, shell = self.database.login, self.shell
            candidates |= {
                "engine alone": lambda: self.pipe(lambda _: shell.discard(login)),
                "zstd": lambda: self.pipe(lambda sink: shell.compress(login, sink)),
                "same work": lambda: self.pipe(lambda sink: shell.compress_seal_hash(login, sink)),
            }
        if dump:
            socket = self.database.socket
            candidates["dump"] = lambda: self.pipe(lambda sink: self.shell.dump(socket, sink))
        self.play("backup", candidates)

    def extract(self) -> None:
        """Both start from a copy of the same state, and end with the same files."""
        label, stream = self.mooring.take(self.database).label, self.folder / "stream.zst"
        self.shell.compress(self.database.login, stream)
        self.play(
            "extract",
            {
                "mooring": lambda: self._restore_raw(label),
                "zstd": lambda: self._unpack(stream),
                "mooring, busy disk": lambda: self._beside_a_writer(
                    lambda: self._restore_raw(label)
                ),
                "zstd, busy disk": lambda: self._beside_a_writer(lambda: self._unpack(stream)),
            },
        )
        self.mooring.purge(label)
        remove(stream)

    def restore(self, *, load_dump: bool) -> None:
        """From what is stored to a server that answers; loading a dump is measured once."""
        label, rows = self.mooring.take(self.database).label, count_rows(self.server)
        self.play("restore", {"mooring": lambda: self._restore_and_start(label, rows)})
        self.mooring.purge(label)
        if load_dump:
            stored = self.folder / "dump.zst"
            self.shell.dump(self.database.socket, stored)
            self.turn("restore", "dump", 1, lambda: self._load_dump(stored, rows))
            remove(stored)

    def load(self, *, rate: int, seconds: int) -> None:
        writers = WriteLoad(
            self.server, self.folder, rate=rate, table_rows=self.database.rows_per_table
        )
        sink = self.folder / "stream.zst"
        self.play(
            "load",
            {
                "nothing": lambda: self.beside(writers, lambda: time.sleep(seconds)),
                "mooring": lambda: self._take_beside(writers),
                "zstd": lambda: self.beside(
                    writers, lambda: self.shell.compress(self.database.login, sink)
                ),
            },
        )
        remove(sink)

    def memory(self, size: str) -> None:
        """Take and restore once; what counts is the larger of the two peaks."""
        self.turn("memory", size, 1, self._peaks)

    def _take(self) -> Mapping[str, float]:
        taken, figures = self.job(lambda: self.mooring.take(self.database))
        self.mooring.purge(taken.label)
        return figures | taken.copy_figures()

    def _restore_raw(self, label: str) -> Mapping[str, float]:
        target = self.folder / "restored"
        done, figures = self.job(lambda: self.mooring.restore(label, target, raw=True))
        self._check_and_remove(target)
        return {**figures, "stage_s": done.stages_s["extract"]}

    def _beside_a_writer(self, candidate: Candidate) -> Mapping[str, float]:
        with busy_disk(self.folder):
            return candidate()

    def _unpack(self, stream: Path) -> Mapping[str, float]:
        target = self.folder / "restored"
        cost = measure(lambda: self.shell.extract(stream, target))
        self._check_and_remove(target)
        return cost.figures()

    def _check_and_remove(self, target: Path) -> None:
        size, wanted = tree_bytes(target, "*.ibd"), self.database.table_bytes
        if size != wanted:
            raise BenchError(f"{size} bytes of tablespaces were extracted, not {wanted}")
        shutil.rmtree(target)

    def _restore_and_start(self, label: str, rows: int) -> Mapping[str, float]:
        target = self.folder / "restored"
        server = PrivateServer(target, ServerOptions(options=OPTIONS))
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
        return cost.figures() | stages

    def _load_dump(self, stored: Path, rows: int) -> Mapping[str, float]:
        """Load into an empty server that runs already and keeps no binlog."""
        target = self.folder / "loaded"
        initialise(target)
        with PrivateServer(target, ServerOptions(options=OPTIONS)) as server:
            cost = measure(lambda: self.shell.load(stored, server.socket), server_pid=server.pid)
            _check_rows(server, rows)
        shutil.rmtree(target)
        return cost.figures()

    def _take_beside(self, writers: WriteLoad) -> Mapping[str, float]:
        jobs: list[Finished] = []
        figures = self.beside(writers, lambda: jobs.append(self.mooring.take(self.database)))
        self.mooring.purge(jobs[0].label)
        return {**figures, "job_s": jobs[0].job_s, "lock_s": jobs[0].lock_s}

    def _peaks(self) -> Mapping[str, float]:
        taken = self.mooring.take(self.database)
        target = self.folder / "restored"
        restored = self.mooring.restore(taken.label, target, raw=True)
        shutil.rmtree(target)
        self.mooring.purge(taken.label)
        peaks = [done.process.peak_rss_bytes / MIB for done in (taken, restored)]
        return {
            "peak_rss_mib": max(peaks),
            "backup_rss_mib": peaks[0],
            "restore_rss_mib": peaks[1],
            "engine_rss_mib": taken.copy_figures()["engine_rss_mib"],
            "tables_mib": self.database.table_bytes / MIB,
        }


def _check_rows(server: PrivateServer, rows: int) -> None:
    if (count := count_rows(server)) != rows:
        raise BenchError(f"a restored table holds {count} rows, not {rows}")
