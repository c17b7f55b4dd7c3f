"""What does an instance under load answer to a copy, second by second? Recorded for tests.

    python -m bench.curves --into tests/data/pace [--gib 1.5] [--only mariadb,mysql]

Of each product three files: a copy whose rate rises in steps, one at its pace, and one at its pace
whose writers end half-way. Times are those that the probe sees, and those of the writers.
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
from pathlib import Path
from typing import Any

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

# MiB/s, so many seconds each; zero is full speed.
STEP_RATES, STEP_SECONDS = (8, 16, 24, 32, 48, 64, 96, 128, 0), 6
QUIET_AFTER_SECONDS = 12.0
UNWATCHED = {"MOORING_PACE_FACTOR": "1000"}
_REPORT = re.compile(r"^\[ (\d+)s \].*? lat \(ms,99%\): ([\d.]+)", re.MULTILINE)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.curves", allow_abbrev=False)
    mysqld = os.environ.get("MOORING_MYSQLD") or str(ROOT / "var" / "mysql" / "bin" / "mysqld")
    parser.add_argument("--mysqld", default=mysqld)
    parser.add_argument("--gib", type=size, default=1.5)
    parser.add_argument("--rate", type=count, default=300, help="transactions a second (300)")
    products = (MARIADB, MYSQL)
    parser.add_argument("--only", type=names_of(products), default=products)
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "bench", help="kept folder")
    parser.add_argument("--into", type=Path, required=True, help="folder of the recorded files")
    asked = parser.parse_args(arguments)
    work = asked.work.resolve()
    asked.into.mkdir(parents=True, exist_ok=True)
    logs, folder = empty_folders(work)
    mooring = RecordedMooring(work / "mooring", logs, threads=2, mysqld=asked.mysqld)
    mooring.set_up()
    try:
        for product in asked.only:
            database = Database(work / f"{asked.gib:g}-gib", asked.gib)
            if product == MYSQL:
                named = work / f"mysql-{asked.gib:g}-gib"
                database = MysqlDatabase(named, asked.gib, asked.mysqld)
                database.name = f"mysql-{database.name}"
            database.fill()
            _record(asked, product, mooring, database, folder)
    finally:
        mooring.remove()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


class RecordedMooring(Mooring):
    """A Mooring that notes what its rule decides."""

    program = ("-m", "bench.curve_recorder")


def _record(
    asked: argparse.Namespace, product: str, mooring: Mooring, database: Database, folder: Path
) -> None:
    lines = folder / "curve.lines"
    steps = ",".join(str(rate) for rate in STEP_RATES for _ in range(STEP_SECONDS))
    with database.running() as server:
        mooring.add(database)
        writers = WriteLoad(server, folder, rate=asked.rate, table_rows=database.rows_per_table)

        def keep(name: str, variables: Mapping[str, str], *, until: float | None = None) -> None:
            say(f"{product}: {name}")
            await_idle(server)
            label: list[str] = []
            began = time.time()

            def take() -> None:
                taken = mooring.take(database, variables={FILE: str(lines), **variables})
                label.append(taken.label)

            _beside(writers, take, until)
            curve = _curve(lines, writers.log, began)
            path = asked.into / f"{product}-{name}.json"
            path.write_text(_written(product, name, asked.rate, curve), encoding="utf-8")
            mooring.purge(label[0])

        keep("steps", {**UNWATCHED, STEPS: steps})
        keep("paced", LISTENING)
        keep("load-ends", LISTENING, until=QUIET_AFTER_SECONDS)


def _beside(writers: WriteLoad, take: Callable[[], None], until: float | None) -> None:
    if until is None:
        writers.beside(take)
        return
    copying = threading.Thread(target=take)

    def part() -> None:
        copying.start()
        copying.join(until)

    writers.beside(part)
    copying.join()


# Any: JSON.
def _curve(lines: Path, log: Path, began: float) -> list[list[Any]]:
    """Return limit, read, p99 and statements of each second, and the writers' own p99."""
    reports = {int(at): float(ms) for at, ms in _REPORT.findall(log.read_text(encoding="utf-8"))}
    seconds = map(json.loads, lines.read_text(encoding="utf-8").splitlines())
    return [
        [
            _short(each["limit"]),
            _short(each["read"]),
            _short(each["p99_ms"]),
            _short(each["statements"], 0),
            reports.get(int(each["at"] - began)),
            _short(each["target_ms"]),
        ]
        for each in seconds
    ]


def _short(number: float | None, digits: int = 1) -> float | None:
    return None if number is None else round(number, digits)


# Any: JSON.
def _written(product: str, name: str, rate: int, curve: list[list[Any]]) -> str:
    rows = ",\n".join(f"  {json.dumps(second[:5])}" for second in curve)
    head = {
        "product": product,
        "copy": name,
        "transactions_per_s": rate,
        "target_ms": curve[0][5] if curve else None,
        "columns": ["limit MiB/s", "read MiB/s", "p99 ms", "statements/s", "writers' p99 ms"],
    }
    text = json.dumps(head, indent=1)[:-2]
    return f'{text},\n "seconds": [\n{rows}\n ]\n}}\n'


if __name__ == "__main__":
    sys.exit(main())
