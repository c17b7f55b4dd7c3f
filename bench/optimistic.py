"""What does an optimistic backup save? Against a normal one, beside writers of the busy rest.

    python -m bench.optimistic --gib 4 --rounds 3

Nine tenths of the bytes are in tables that nobody writes to. Both ways copy through the engine into
a folder of files, which is prepared; what a repository adds is the same for both.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from backups.archive.records import (
    Data,
    FileClosed,
    FileOpened,
    FileRemoved,
    FileRenamed,
    Record,
)
from backups.engines.base import CopyFacts, CopyRequest
from backups.engines.mariadb_backup import MariadbBackup, MariadbDetails, MariadbOptions
from backups.engines.mariadb_backup.options import LEAST_AGE_SECONDS
from backups.programs.private_server import PrivateServer, ServerOptions, initialise
from backups.runners.local import LocalRunner
from bench.arguments import count, size
from bench.database import FILLING, SCHEMA, Database, await_idle, execute, free_bytes
from bench.measure import MIB, measure
from bench.program import empty_folders, measure_and_show
from bench.rounds import say
from bench.samples import Samples
from bench.shell import Shell

ROOT = Path(__file__).resolve().parents[1]
SECTION, NORMAL, OPTIMISTIC = "optimistic", "normal", "optimistic"
QUIET_SHARE = 0.9
QUIET_TABLES, BUSY_TABLES = 36, 4
# What such a row was seen to take on disk.
ROW_BYTES = 1400
THREADS = 2
WRITERS = 2
AGE_SECONDS = LEAST_AGE_SECONDS
# The data, a copy of it and what a merge of both needs for a moment.
ROOM_FACTOR = 3
MEMORY_BYTES = 256 * MIB


class QuietDatabase(Database):
    """Few busy tables among many that stay as they are."""

    def fill(self) -> None:
        if self.data.is_dir():
            return
        unfinished = self.data.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        initialise(unfinished)
        with PrivateServer(unfinished, ServerOptions(options=FILLING)) as server:
            execute(server, f"CREATE DATABASE {SCHEMA}")
            for name, rows in self.tables():
                fill_table(server, name, rows)
        unfinished.rename(self.data)

    def tables(self) -> Iterator[tuple[str, int]]:
        """Yield each table with its rows."""
        rows = self.gib * 2**30 / ROW_BYTES
        for number in range(QUIET_TABLES):
            yield f"quiet{number}", int(rows * QUIET_SHARE / QUIET_TABLES)
        for number in range(BUSY_TABLES):
            yield f"busy{number}", self.busy_rows

    @property
    def busy_rows(self) -> int:
        return int(self.gib * 2**30 / ROW_BYTES * (1 - QUIET_SHARE) / BUSY_TABLES)


def fill_table(server: PrivateServer, name: str, rows: int) -> None:
    execute(
        server,
        f"USE {SCHEMA}",
        f"CREATE TABLE {name} (id INT PRIMARY KEY, n BIGINT, note VARCHAR(900))",
        f"INSERT INTO {name} SELECT seq, 0, CONCAT(SHA2(seq, 512), SHA2(seq + 1, 512), "
        "SHA2(seq + 2, 512), SHA2(seq + 3, 512), SHA2(seq + 4, 512), SHA2(seq + 5, 512)) "
        f"FROM seq_1_to_{rows}",
    )


class Writers:
    """Change random rows of the busy tables, each in a transaction of its own, at a rate."""

    def __init__(self, server: PrivateServer, database: QuietDatabase, rate: int) -> None:
        self._server, self._rows, self._rate = server, database.busy_rows, rate
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(WRITERS)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _write(self, number: int) -> None:
        places = random.Random(number)
        with self._server.connect(database=SCHEMA) as connection, connection.cursor() as cursor:
            while not self._over.wait(WRITERS / self._rate):
                table, row = places.randrange(BUSY_TABLES), places.randint(1, self._rows)
                cursor.execute(
                    f"UPDATE busy{table} SET n = n + 1, note = REVERSE(note) WHERE id = {row}"
                )
                connection.commit()


class Stopwatch:
    """Observes a copy, and remembers how long its sub-operations took."""

    def __init__(self) -> None:
        self.began: dict[str, datetime] = {}
        self.took: dict[str, timedelta] = {}

    def stage_started(self, name: str, at: datetime) -> None:
        self.began.setdefault(name, at)

    def stage_ended(
        self, name: str, at: datetime, *, lock_time: timedelta | None = None, detail: str = ""
    ) -> None:
        self.took[name] = at - self.began.get(name, at)

    def log(self, source: str, text: str, level: str = "info") -> None:
        pass

    def process_started(self, group: int, started: float) -> None:
        pass

    def expect(self, *, raw_bytes: int, files: int) -> None:
        pass


@dataclass(slots=True)
class OptimisticBench:
    """Rounds of both ways: copied beside writers, then prepared."""

    server: PrivateServer
    samples: Samples
    # Emptied after use.
    folder: Path
    database: QuietDatabase
    shell: Shell
    rate: int

    def compare(self, rounds: int) -> None:
        quiet = MariadbOptions(optimistic=True, optimistic_seconds=AGE_SECONDS)
        ways = [(NORMAL, MariadbOptions()), (OPTIMISTIC, quiet)]
        for number in range(rounds):
            # Nobody always goes first.
            for name, options in ways if number % 2 else reversed(ways):
                figures = self._one(options)
                self.samples.add(SECTION, name, number + 1, figures)
                shown = ", ".join(f"{figure} {value:.4g}" for figure, value in figures.items())
                say(f"round {number + 1}, {name}: {shown}")

    def _one(self, options: MariadbOptions) -> Mapping[str, float]:
        target = self.folder / "copied"
        await_idle(self.server)
        # The pages that were written just now are of files that are not quiet yet.
        time.sleep(AGE_SECONDS + 1)
        with Writers(self.server, self.database, self.rate):
            # So that the last checkpoint is as old as it usually is.
            time.sleep(AGE_SECONDS)
            began = time.perf_counter()
            facts, took = self._copy(options, target)
            wall_s = time.perf_counter() - began
        redo_bytes = (target / "ib_logfile0").stat().st_size
        prepared = measure(lambda: self.shell.prepare_with(target, MEMORY_BYTES))
        shutil.rmtree(target)
        details = facts.details
        assert isinstance(details, MariadbDetails)
        return {
            "wall_s": wall_s,
            "quiet_phase_s": took.get("quiet tables", timedelta()).total_seconds(),
            "redo_copy_s": took.get("redo copy", timedelta()).total_seconds(),
            "redo_bytes": redo_bytes,
            "lock_ms": 1000 * (facts.lock_time or timedelta()).total_seconds(),
            "prepare_s": prepared.wall_s,
            "quiet_bytes": details.quiet_bytes or 0,
            "late": details.late_attempts or 0,
        }

    def _copy(
        self, options: MariadbOptions, target: Path
    ) -> tuple[CopyFacts, Mapping[str, timedelta]]:
        watch = Stopwatch()
        target.mkdir()
        request = CopyRequest(
            self.database.login,
            LocalRunner(),
            options,
            threads=THREADS,
            data_folder=str(self.database.data),
        )
        with MariadbBackup().copy(request, watch) as copy:
            write_out(copy.records(), target)
            return copy.facts(), watch.took


def write_out(records: Iterator[Record], folder: Path) -> None:
    """Make the files of a copy."""
    paths: dict[int, Path] = {}
    for record in records:
        match record:
            case FileOpened(number, path):
                paths[number] = folder / path
                paths[number].parent.mkdir(parents=True, exist_ok=True)
                paths[number].touch(exist_ok=False)
            case Data(number, offset, payload):
                with paths[number].open("r+b", buffering=0) as file:
                    file.seek(offset)
                    file.write(payload)
            case FileClosed(number, length):
                assert paths[number].stat().st_size == length
            case FileRenamed(number, path):
                paths[number] = paths[number].rename(folder / path)
            case FileRemoved(number):
                paths.pop(number).unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = build_parser()
    asked = parser.parse_args(arguments)
    asked.work.mkdir(mode=0o700, parents=True, exist_ok=True)
    need = int(asked.gib * 2**30 * ROOM_FACTOR)
    if free_bytes(asked.work) < need:
        parser.error(f"--work {asked.work} needs {need // 10**6} MB free")
    return measure_and_show(asked, _measure, ())


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.optimistic",
        description="Measure optimistic backups of MariaDB beside normal ones.",
        allow_abbrev=False,
    )
    parser.add_argument("--gib", type=size, default=1.0, help="size of the tables (1)")
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument("--rate", type=count, default=400, help="transactions a second (400)")
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "bench", help="kept folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    return parser


def _measure(asked: argparse.Namespace, samples: Samples) -> None:
    work: Path = asked.work.resolve()
    logs, folder = empty_folders(work)
    database = QuietDatabase(work / f"quiet-{asked.gib:g}-gib", asked.gib)
    say(f"{database.gib:g} GiB: filling where that was not done, starting, warming")
    database.fill()
    shell = Shell(folder, logs, threads=THREADS)
    try:
        with database.running() as server:
            bench = OptimisticBench(server, samples, folder, database, shell, asked.rate)
            bench.compare(asked.rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
