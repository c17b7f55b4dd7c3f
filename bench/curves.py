"""What does an instance under load answer to a copy, second by second? Recorded for tests.

    python -m bench.curves --into tests/data/pace [--gib 1.5] [--rate 150] [--only mariadb,mysql]

Three files of each product: a copy whose limit rises in steps up to full speed, whatever is
measured; one at its pace; and one at its pace whose writers end early. Each second has what was
read, the p99 that the probe saw, and that of the writers themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backups.programs.private_server import PrivateServer
from bench.arguments import count, names_of, size
from bench.curve_recorder import FILE, STEPS
from bench.database import Database, await_idle
from bench.kindness_sections import LISTENING
from bench.kindness_targets import MARIADB, MYSQL
from bench.load import WriteLoad
from bench.mooring import ROOT, Mooring
from bench.mysql_database import MysqlDatabase
from bench.program import empty_folders
from bench.rounds import say

PRODUCTS = (MARIADB, MYSQL)
# MiB/s, so many seconds each; zero is full speed.
STEP_RATES, STEP_SECONDS = (8, 16, 32, 64, 96, 128, 192, 0), 4
# The writers of the third copy end after so long.
LOAD_SECONDS = 12.0
# So high a target that nothing is slowed.
UNWATCHED = {"MOORING_PACE_FACTOR": "1000"}
COLUMNS = ("limit MiB/s", "read MiB/s", "p99 ms", "statements/s", "writers' p99 ms")
_REPORT = re.compile(r"^\[ (\d+)s \].*? lat \(ms,99%\): ([\d.]+)", re.MULTILINE)
# Any: JSON.
Seconds = Sequence[Mapping[str, Any]]


class RecordedMooring(Mooring):
    """A Mooring that notes what its rule decides."""

    program = ("-m", "bench.curve_recorder")


def main(arguments: Sequence[str] | None = None) -> int:
    asked = build_parser().parse_args(arguments)
    work = asked.work.resolve()
    asked.into.mkdir(parents=True, exist_ok=True)
    logs, folder = empty_folders(work)
    mooring = RecordedMooring(work / "mooring", logs, threads=2, mysqld=asked.mysqld)
    mooring.set_up()
    try:
        for product in asked.only:
            database = _database(asked, product, work)
            database.fill()
            with database.running() as server:
                mooring.add(database)
                rows = database.rows_per_table
                writers = WriteLoad(server, folder, rate=asked.rate, table_rows=rows)
                Copies(asked, product, mooring, database, server, writers, folder).record()
    finally:
        mooring.remove()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.curves",
        description="Record how instances under load answer to a copy.",
        allow_abbrev=False,
    )
    mysqld = os.environ.get("MOORING_MYSQLD") or str(ROOT / "var" / "mysql" / "bin" / "mysqld")
    parser.add_argument("--mysqld", default=mysqld, help="the server of MySQL")
    parser.add_argument("--gib", type=size, default=1.5, help="size of the tables (1.5)")
    parser.add_argument("--rate", type=count, default=150, help="transactions a second (150)")
    parser.add_argument(
        "--only", type=names_of(PRODUCTS), default=PRODUCTS, metavar=",".join(PRODUCTS)
    )
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "bench", help="kept folder")
    parser.add_argument("--into", type=Path, required=True, help="folder of the recorded files")
    return parser


def _database(asked: argparse.Namespace, product: str, work: Path) -> Database:
    if product == MARIADB:
        return Database(work / f"{asked.gib:g}-gib", asked.gib)
    database = MysqlDatabase(work / f"mysql-{asked.gib:g}-gib", asked.gib, asked.mysqld)
    # An instance has its name once.
    database.name = f"mysql-{database.name}"
    return database


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of one product. The server runs."""

    asked: argparse.Namespace
    product: str
    mooring: Mooring
    database: Database
    server: PrivateServer
    writers: WriteLoad
    folder: Path

    def record(self) -> None:
        steps = ",".join(str(rate) for rate in STEP_RATES for _ in range(STEP_SECONDS))
        self._keep("steps", {**UNWATCHED, STEPS: steps})
        self._keep("paced", LISTENING)
        self._keep("load-ends", LISTENING, load_seconds=LOAD_SECONDS)

    def _keep(
        self, name: str, variables: Mapping[str, str], *, load_seconds: float | None = None
    ) -> None:
        say(f"{self.product}: {name}")
        await_idle(self.server)
        lines, labels = self.folder / "curve.lines", list[str]()
        began = time.time()

        def take() -> None:
            settings = {FILE: str(lines), **variables}
            labels.append(self.mooring.take(self.database, variables=settings).label)

        beside(self.writers, take, load_seconds)
        seconds = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
        reports = parse_reports(self.writers.log.read_text(encoding="utf-8"))
        text = write_curve(self.product, name, self.asked.rate, seconds, reports, began)
        (self.asked.into / f"{self.product}-{name}.json").write_text(text, encoding="utf-8")
        self.mooring.purge(labels[0])


def beside(writers: WriteLoad, take: Callable[[], None], load_seconds: float | None) -> None:
    """Take a backup beside the writers, which end after so long or with it."""
    if load_seconds is None:
        writers.beside(take)
        return
    copying = threading.Thread(target=take)

    def part() -> None:
        copying.start()
        copying.join(load_seconds)

    writers.beside(part)
    copying.join()


def parse_reports(text: str) -> Mapping[int, float]:
    """Return the p99 that sysbench reported, in ms, by the second."""
    return {int(second): float(ms) for second, ms in _REPORT.findall(text)}


def write_curve(
    product: str,
    name: str,
    rate: int,
    seconds: Seconds,
    reports: Mapping[int, float],
    began: float,
) -> str:
    """Return a recorded file: a line for each second."""
    rows = [
        [
            *(_short(each[column]) for column in ("limit", "read", "p99_ms", "statements")),
            reports.get(int(each["at"] - began)),
        ]
        for each in seconds
    ]
    head = {
        "product": product,
        "copy": name,
        "transactions_per_s": rate,
        "target_ms": _short(seconds[0]["target_ms"]) if seconds else None,
        "columns": COLUMNS,
    }
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    return f'{json.dumps(head, indent=1)[:-2]},\n "seconds": [\n{lines}\n ]\n}}\n'


def _short(number: float | None) -> float | None:
    return None if number is None else round(number, 1)


if __name__ == "__main__":
    sys.exit(main())
