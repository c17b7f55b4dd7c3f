"""How much of a backup is read for one small table, and how long does it take to get it back?

    python -m bench.one_table [--product mysql] [--mysqld PROGRAM] [--gib 4] [--rounds 3] [--json F]

A table of about one per cent of the rows is backed up with all others, and restored into the same
server under another name. It prints tables and never judges.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from backups.instances.grants import NEEDED_TO_MAKE_TABLES
from bench.arguments import count, size
from bench.backup_vs_shell import THREADS
from bench.database import SCHEMA, TABLES, Database, execute
from bench.mooring import ROOT, Mooring
from bench.mysql_database import MysqlDatabase
from bench.program import empty_folders, measure_and_show
from bench.rounds import Rounds, say
from bench.samples import Place, Ratio, Samples

SMALL, AGAIN = f"{SCHEMA}.small", f"{SCHEMA}.small_again"
SHARE = 0.01
SECTION = "one table"


def _ratios() -> Sequence[Ratio]:
    read, stored = (Place(SECTION, "restore", name) for name in ("read_bytes", "stored_bytes"))
    system = Place(SECTION, "restore", "system_bytes")
    return (
        Ratio("bytes read ÷ stored", read, stored, at_most=0.05),
        Ratio("bytes extracted of the system's files", system),
    )


class OneTable(Rounds):
    """The same table back, round by round."""

    def play_restores(self, database: Database, label: str) -> None:
        def restore() -> Mapping[str, float]:
            planned = self.mooring.plan_table(label, SMALL, AGAIN, database)
            done, figures = self.job(
                lambda: self.mooring.restore_table(label, SMALL, AGAIN, database)
            )
            execute(self.server, f"DROP TABLE {AGAIN}")
            stages = {f"{name}_s": seconds for name, seconds in done.stages_s.items()}
            return {**figures, **stages, **planned}

        self.play(SECTION, {"restore": restore})


def make_small(rounds: Rounds, database: Database) -> None:
    """Make the table that is wanted back, and let the account restore it."""
    rows = int(database.rows_per_table * TABLES * SHARE)
    with rounds.server.connect() as root, root.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {SMALL}, {AGAIN}")
        cursor.execute(f"CREATE TABLE {SMALL} LIKE {SCHEMA}.sbtest1")
        cursor.execute(f"INSERT INTO {SMALL} SELECT * FROM {SCHEMA}.sbtest1 LIMIT {rows}")
        user = database.login.user
        cursor.execute("SELECT host FROM mysql.user WHERE user = %s", (user,))
        for (host,) in cursor.fetchall():
            cursor.execute(
                f"GRANT {', '.join(NEEDED_TO_MAKE_TABLES)} ON {SCHEMA}.* TO '{user}'@'{host}'"
            )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.one_table", description="Restore one table of a large backup."
    )
    mysqld = os.environ.get("MOORING_MYSQLD") or str(ROOT / "var" / "mysql" / "bin" / "mysqld")
    parser.add_argument("--product", choices=("mariadb", "mysql"), default="mariadb")
    parser.add_argument("--mysqld", default=mysqld, help="the server, of MySQL")
    parser.add_argument("--gib", type=size, default=4.0, help="size of the tables (4)")
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "bench", help="kept folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    asked = parser.parse_args(arguments)
    return measure_and_show(asked, _measure, _ratios())


def _measure(asked: argparse.Namespace, samples: Samples) -> None:
    work: Path = asked.work.resolve()
    logs, folder = empty_folders(work)
    mooring = Mooring(work / "mooring", logs, threads=THREADS, mysqld=asked.mysqld)
    mooring.set_up()
    database: Database
    if asked.product == "mysql":
        database = MysqlDatabase(work / f"mysql-{asked.gib:g}-gib", asked.gib, asked.mysqld)
    else:
        database = Database(work / f"mariadb-{asked.gib:g}-gib", asked.gib)
    say(f"{database.name}: filling where that was not done, starting, warming")
    try:
        database.fill()
        with database.running() as server:
            mooring.add(database)
            rounds = OneTable(server, mooring, samples, folder, asked.rounds)
            make_small(rounds, database)
            taken = mooring.take(database)
            rounds.play_restores(database, taken.label)
            execute(server, f"DROP TABLE {SMALL}")
    finally:
        mooring.remove()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
