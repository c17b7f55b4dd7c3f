"""How does a clone compare with what a shell can do with a MySQL, on this machine?

    python -m bench.clone_vs_shell [--gib 2.1] [--rounds 3] [--only backup,restore,…] [--json FILE]

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
from backups.programs.server_program import find_mysqld, program
from bench.arguments import count, names_of, size
from bench.clone_sections import CloneBench
from bench.clone_shell import CloneShell, missing_client
from bench.clone_targets import CLONE_RATIOS
from bench.database import free_bytes
from bench.mooring import ROOT, Mooring
from bench.mysql_database import MysqlDatabase
from bench.program import empty_folders, measure_and_show
from bench.rounds import say
from bench.samples import Samples

SECTIONS = ("backup", "dump", "restore", "memory", "load")
THREADS = 2
# Tables, a clone or a restored copy of them, and what is stored.
ROOM_FACTOR = 3.5


def main(arguments: Sequence[str] | None = None) -> int:
    parser = build_parser()
    asked = parser.parse_args(arguments)
    if problem := _problem(asked):
        parser.error(problem)
    programs = ((asked.mysqld, "--no-defaults", "--version"), ("zstd", "--version"))
    return measure_and_show(asked, _measure, CLONE_RATIOS, programs)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.clone_vs_shell",
        description="Compare clones with what a shell can do.",
        allow_abbrev=False,
    )
    mysqld = os.environ.get("MOORING_MYSQLD") or str(ROOT / "var" / "mysql" / "bin" / "mysqld")
    parser.add_argument("--mysqld", default=mysqld, help="the server; its clients are beside it")
    parser.add_argument("--gib", type=size, default=2.1, help="size of the tables (2.1)")
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
    mooring = Mooring(work / "mooring", logs, threads=THREADS, mysqld=asked.mysqld)
    mooring.set_up()
    shell = CloneShell(Path(asked.mysqld).parent, folder, logs, threads=THREADS)
    database = MysqlDatabase(work / f"mysql-{asked.gib:g}-gib", asked.gib, asked.mysqld)
    say(f"{database.name}: filling where that was not done, starting, warming")
    try:
        database.fill()
        with database.running() as server:
            mooring.add(database)
            mooring.add(database.without_tls())
            bench = CloneBench(server, mooring, samples, folder, asked.rounds, database, shell)
            _play(bench, asked)
    finally:
        mooring.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _play(bench: CloneBench, asked: argparse.Namespace) -> None:
    if "backup" in asked.only or "dump" in asked.only:
        bench.backup(dump="dump" in asked.only)
    if "restore" in asked.only:
        bench.restore(load_dump="dump" in asked.only and not asked.skip_dump_load)
    if "memory" in asked.only:
        bench.memory()
    # Last: the writers change the tables.
    if "load" in asked.only:
        bench.load(rate=asked.rate, seconds=asked.load_seconds)


def _problem(asked: argparse.Namespace) -> str:
    """Say what keeps this from being measured here; nothing is made before."""
    try:
        for name in ("sysbench", "zstd", "tar"):
            program(name)
        find_mysqld(asked.mysqld)
    except MooringError as exc:
        return f"{exc}"
    if "dump" in asked.only and (name := missing_client(Path(asked.mysqld).parent)):
        return f"{name} is not beside {asked.mysqld}"
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
