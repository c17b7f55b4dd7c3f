"""What do writers notice of a backup, whoever takes it, in one run?

    python -m bench.kindness [--gib 1] [--rounds 3] [--only mariadb,mysql] [--json FILE]
    python -m bench.kindness --redo-burst 20 --gib 0.2   # are backups lost to a small redo log?

sysbench offers writes at a fixed rate beside every candidate. Prints tables of medians and ratios
and never judges: exit code 1 means that a program failed, 2 that it cannot do here what was
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
from bench.clone_shell import CloneShell, missing_client
from bench.database import OPTIONS, Database, free_bytes
from bench.kindness_sections import Kindness
from bench.kindness_targets import BURSTS, MARIADB, MYSQL, RATIOS
from bench.load import WriteLoad
from bench.measure import MIB
from bench.mooring import ROOT, Mooring
from bench.mysql_database import MysqlDatabase
from bench.program import empty_folders, measure_and_show
from bench.redo_burst import LOG_MIB, RedoBurst
from bench.report import PROGRAMS as REPORTED
from bench.rounds import say
from bench.samples import Samples
from bench.shell import Shell

SECTIONS = (MARIADB, MYSQL)
THREADS = 2
# By section: what must be there.
PROGRAMS = {
    MARIADB: ("mariadbd", "mariadb-backup", "mariadb-dump", "sysbench", "zstd"),
    MYSQL: ("sysbench", "zstd"),
}
# Mooring alone, and a burst, have no other tool beside them.
OWN_PROGRAMS = {MARIADB: ("mariadbd", "mariadb-backup", "sysbench"), MYSQL: ("sysbench",)}
# Both databases, a clone of one, and what is stored.
ROOM_FACTOR = 4.5


def main(arguments: Sequence[str] | None = None) -> int:
    parser = build_parser()
    asked = parser.parse_args(arguments)
    if problem := _problem(asked):
        parser.error(problem)
    programs = (*REPORTED, (asked.mysqld, "--no-defaults", "--version"))
    return measure_and_show(asked, _measure, RATIOS, programs)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.kindness",
        description="Measure writers beside backups, paced and not, and beside other tools.",
        allow_abbrev=False,
    )
    mysqld = os.environ.get("MOORING_MYSQLD") or str(ROOT / "var" / "mysql" / "bin" / "mysqld")
    parser.add_argument("--mysqld", default=mysqld, help="the server; its clients are beside it")
    parser.add_argument("--gib", type=size, default=1.0, help="size of the tables (1)")
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument(
        "--only", type=names_of(SECTIONS), default=SECTIONS, metavar=",".join(SECTIONS)
    )
    parser.add_argument("--own", action="store_true", help="leave the other tools out")
    parser.add_argument("--rate", type=count, default=300, help="transactions a second (300)")
    parser.add_argument("--load-seconds", type=count, default=30, help="without a backup (30)")
    parser.add_argument(
        "--redo-burst", type=count, metavar="RUNS", help="instead: bursts over a small redo log"
    )
    parser.add_argument(
        "--log-mib", type=count, default=LOG_MIB, help=f"redo log of bursts ({LOG_MIB})"
    )
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "bench", help="kept folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    return parser


def _measure(asked: argparse.Namespace, samples: Samples) -> None:
    work: Path = asked.work.resolve()
    logs, folder = empty_folders(work)
    mooring = Mooring(work / "mooring", logs, threads=THREADS, mysqld=asked.mysqld)
    mooring.set_up()
    try:
        if MARIADB in asked.only:
            database = Database(work / f"{asked.gib:g}-gib", asked.gib)
            _play(asked, samples, mooring, database, Shell(folder, logs, threads=THREADS))
        if MYSQL in asked.only:
            mysql = MysqlDatabase(work / f"mysql-{asked.gib:g}-gib", asked.gib, asked.mysqld)
            # An instance has its name once.
            mysql.name = f"mysql-{mysql.name}"
            clone_shell = CloneShell(Path(asked.mysqld).parent, folder, logs, threads=THREADS)
            _play(asked, samples, mooring, mysql, clone_shell)
    finally:
        mooring.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _play(
    asked: argparse.Namespace,
    samples: Samples,
    mooring: Mooring,
    database: Database,
    shell: Shell | CloneShell,
) -> None:
    say(f"{database.name}: filling where that was not done, starting, warming")
    database.fill()
    folder = asked.work.resolve() / "measured"
    log_bytes = asked.log_mib * MIB
    if asked.redo_burst:
        database.options = {**OPTIONS, "innodb-log-file-size": str(log_bytes)}
    with database.running() as server:
        mooring.add(database)
        if asked.redo_burst:
            section = BURSTS[isinstance(database, MysqlDatabase)]
            burst = RedoBurst(server, mooring, samples, folder, asked.redo_burst, log_bytes)
            burst.play_bursts(section, database)
            return
        writers = WriteLoad(server, folder, rate=asked.rate, table_rows=database.rows_per_table)
        bench = Kindness(
            server,
            mooring,
            samples,
            folder,
            asked.rounds,
            writers,
            asked.load_seconds,
            others=not asked.own,
        )
        if isinstance(database, MysqlDatabase) and isinstance(shell, CloneShell):
            mooring.add(database.without_tls())
            bench.mysql(database, shell)
        elif isinstance(shell, Shell):
            bench.mariadb(database, shell)


def _problem(asked: argparse.Namespace) -> str:
    """Return what keeps this from being measured here; nothing is made before."""
    needed = OWN_PROGRAMS if asked.redo_burst or asked.own else PROGRAMS
    try:
        for name in sorted({name for section in asked.only for name in needed[section]}):
            program(name)
        if MYSQL in asked.only:
            find_mysqld(asked.mysqld)
    except MooringError as exc:
        return f"{exc}"
    if MYSQL in asked.only and (name := missing_client(Path(asked.mysqld).parent)):
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
