"""How does Mooring compare with what a shell can do, on this machine?

    python -m bench.backup_vs_shell [--gib 3.2] [--rounds 3] [--only backup,extract,…] [--json FILE]

Prints tables of medians and ratios. It never judges: it exits with 0 for any figures. Exit
code 1 means that a program failed and there are no figures, 2 that it cannot do here what was
requested. What each figure means is in bench/README.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from backups.exceptions import MooringError
from backups.programs.server_program import program
from bench.arguments import count, names_of, size
from bench.database import Database, free_bytes
from bench.mooring import ROOT, Mooring
from bench.prepare_memory import KEEPING, PrepareBench
from bench.program import empty_folders, measure_and_show
from bench.rounds import say
from bench.samples import Samples
from bench.sections import Bench
from bench.shell import Shell
from bench.targets import RATIOS

SECTIONS = ("backup", "extract", "dump", "load", "memory", "prepare")
THREADS = 2
# Debian's package for each.
PROGRAMS = {
    "mariadbd": "mariadb-server-core",
    "mariadb-backup": "mariadb-backup",
    "mbstream": "mariadb-backup",
    "mariadb": "mariadb-client-core",
    "sysbench": "sysbench",
    "zstd": "zstd",
    "openssl": "openssl",
}
# Tables, a restored copy, and what is stored of two of them.
ROOM_FACTOR = 3.5


def main(arguments: Sequence[str] | None = None) -> int:
    parser = build_parser()
    asked = parser.parse_args(arguments)
    if problem := _problem(asked):
        parser.error(problem)
    return measure_and_show(asked, _measure, RATIOS)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.backup_vs_shell",
        description="Compare Mooring with what a shell can do.",
        allow_abbrev=False,
    )
    parser.add_argument("--gib", type=size, default=3.2, help="size of the tables (3.2)")
    parser.add_argument(
        "--small-gib", type=size, default=1.0, help="other size, for memory and prepare (1)"
    )
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument(
        "--only", type=names_of(SECTIONS), default=SECTIONS, metavar=",".join(SECTIONS)
    )
    parser.add_argument("--skip-dump-load", action="store_true", help="loading a dump is slow")
    parser.add_argument("--rate", type=count, default=300, help="transactions a second (300)")
    parser.add_argument("--load-seconds", type=count, default=15, help="without a backup (15)")
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "bench", help="kept folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    return parser


def _measure(asked: argparse.Namespace, samples: Samples) -> None:
    work: Path = asked.work.resolve()
    logs, folder = empty_folders(work)
    mooring = Mooring(work / "mooring", logs, threads=THREADS)
    mooring.set_up()
    shell = Shell(folder, logs, threads=THREADS)

    def bench_on(database: Database, asked_sections: Sequence[str], size: str) -> None:
        say(f"{database.name}: filling where that was not done, starting, warming")
        database.fill()
        with database.running() as server:
            mooring.add(database)
            bench = Bench(server, mooring, samples, folder, asked.rounds, database, shell)
            _play(bench, asked, asked_sections, size)

    try:
        bench_on(_database(work, asked.gib), asked.only, "big")
        if "memory" in asked.only:
            bench_on(_database(work, asked.small_gib), ("memory",), "small")
        if "prepare" in asked.only:
            database = _database(work, asked.small_gib)
            database.options = KEEPING
            database.fill()
            with database.running() as server:
                PrepareBench(
                    server, mooring, samples, folder, asked.rounds, database, shell
                ).prepare()
    finally:
        mooring.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _play(bench: Bench, asked: argparse.Namespace, sections: Sequence[str], size: str) -> None:
    if "backup" in sections or "dump" in sections:
        bench.backup(pipelines="backup" in sections, dump="dump" in sections)
    if "extract" in sections:
        bench.extract()
    if "dump" in sections:
        bench.restore(load_dump=not asked.skip_dump_load)
    if "memory" in sections:
        bench.memory(size)
    # Last: the writers change the tables.
    if "load" in sections:
        bench.load(rate=asked.rate, seconds=asked.load_seconds)


def _database(work: Path, gib: float) -> Database:
    return Database(work / f"{gib:g}-gib", gib)


def _problem(asked: argparse.Namespace) -> str:
    """Say what keeps this from being measured here; nothing is made before."""
    if "memory" in asked.only and asked.gib == asked.small_gib:
        return "memory needs two sizes: --gib and --small-gib are the same"
    wanted = PROGRAMS | ({"mariadb-dump": "mariadb-client"} if "dump" in asked.only else {})
    for name, package in wanted.items():
        try:
            program(name)
        except MooringError:
            return f"{name} is not installed (on Debian: {package})"
    try:
        asked.work.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        return f"--work {asked.work}: {exc.strerror}"
    need, free = int(asked.gib * 2**30 * ROOM_FACTOR), free_bytes(asked.work)
    if free < need:
        return f"--work {asked.work} needs {need // 10**6} MB free, {free // 10**6} MB are"
    if asked.json and not os.access(asked.json.absolute().parent, os.W_OK):
        return f"--json {asked.json}: its folder cannot be written to"
    return ""


if __name__ == "__main__":
    sys.exit(main())
