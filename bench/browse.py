"""How long does it take to see the first row of a table in a stored backup, on this machine?

    python -m bench.browse [--gib 0.3] [--rounds 3] [--only mariadb,mysql] [--json FILE]

One of eight equal tables is opened. Prints medians and judges nothing; exit code 1 means that a
program failed, 2 that it cannot do here what was requested.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from backups.exceptions import MooringError
from backups.programs.server_program import find_mysqld, program
from bench.arguments import count, names_of, size
from bench.database import SCHEMA, Database
from bench.measure import measure
from bench.mooring import ROOT, Mooring, SeenRow
from bench.mysql_database import MysqlDatabase
from bench.program import empty_folders, measure_and_show
from bench.rounds import Rounds, say
from bench.samples import Samples

PRODUCTS = ("mariadb", "mysql")
THREADS = 2
TABLE = f"{SCHEMA}.sbtest1"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = build_parser()
    asked = parser.parse_args(arguments)
    if problem := _problem(asked):
        parser.error(problem)
    programs = (("mariadbd", "--version"), (asked.mysqld, "--no-defaults", "--version"))
    return measure_and_show(asked, _measure, (), programs)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.browse",
        description="Measure the way to the first row of a table in a backup.",
        allow_abbrev=False,
    )
    mysqld = os.environ.get("MOORING_MYSQLD") or str(ROOT / "var" / "mysql" / "bin" / "mysqld")
    parser.add_argument("--mysqld", default=mysqld)
    parser.add_argument("--gib", type=size, default=0.3, help="size of the tables (0.3)")
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument(
        "--only", type=names_of(PRODUCTS), default=PRODUCTS, metavar=",".join(PRODUCTS)
    )
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "bench", help="kept folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    return parser


def _measure(asked: argparse.Namespace, samples: Samples) -> None:
    work: Path = asked.work.resolve()
    logs, folder = empty_folders(work)
    for name in asked.only:
        is_mysql = name == "mysql"
        mooring = Mooring(
            work / "mooring", logs, threads=THREADS, mysqld=asked.mysqld if is_mysql else ""
        )
        data = work / f"{name}-{asked.gib:g}-gib"
        database = (
            MysqlDatabase(data, asked.gib, asked.mysqld) if is_mysql else Database(data, asked.gib)
        )
        say(f"{name}: filling where that was not done, starting, warming")
        try:
            mooring.set_up()
            database.fill()
            with database.running() as server:
                mooring.add(database)
                label = mooring.take(database).label
                turns = Rounds(server, mooring, samples, folder, asked.rounds)
                turns.play("rows", {name: partial(_look, mooring, label)})
        finally:
            mooring.remove()


def _look(mooring: Mooring, label: str) -> Mapping[str, float]:
    seen: list[SeenRow] = []

    def work() -> float:
        seen.append(mooring.first_row(label, TABLE))
        return seen[0].process.cpu_s

    cost = measure(work)
    return cost.figures() | {"row_s": seen[0].row_s, "read_bytes": float(seen[0].read_bytes)}


def _problem(asked: argparse.Namespace) -> str:
    """Say what keeps this from being measured here; nothing is made before."""
    try:
        program("sysbench")
        if "mysql" in asked.only:
            find_mysqld(asked.mysqld)
    except MooringError as exc:
        return f"{exc}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
