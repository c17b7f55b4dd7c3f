"""How does an incremental clone of a MySQL compare with a full one?

    python -m bench.clone_chains [--mysqld PROGRAM] [--gib 4] [--rounds 3] [--json FILE]

After one per cent of the rows was changed, at random places (scattered) or in one stretch of each
table (clustered), an incremental backup and a full one take turns from the same state. It prints
tables and never judges.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.arguments import count, size
from bench.changes import SHAPES, Changes
from bench.clone_vs_shell import THREADS
from bench.mooring import ROOT, Mooring
from bench.mysql_database import MysqlDatabase
from bench.program import empty_folders, measure_and_show
from bench.rounds import Rounds, say
from bench.samples import Place, Ratio, Samples


def _ratios() -> Sequence[Ratio]:
    ratios = []
    for shape in SHAPES:
        for figure, at_most in (("wall_s", 0.7), ("job_s", 0.7), ("stored_bytes", None)):
            above, below = (Place(shape, kind, figure) for kind in ("incremental", "full"))
            ratios.append(Ratio(f"{shape}: {figure} ÷ full", above, below, at_most=at_most))
        peak = Place(shape, "incremental", "rss_mib")
        ratios.append(Ratio(f"{shape}: peak RSS, MiB", peak, at_most=350))
    return ratios


class CloneChains(Rounds):
    """An incremental beside a full backup, for each shape of changes."""

    def play_shapes(self, database: MysqlDatabase) -> None:
        changes = Changes(self.server, database)
        for shape in SHAPES:
            base = self.mooring.take(database)
            changes.make(shape)
            kinds = ("incremental", "full")
            # A full one must not become the base of what is taken after it: it is purged at once.
            self.play(shape, {kind: partial(self._take, database, kind) for kind in kinds})
            self.mooring.purge(base.label)

    def _take(self, database: MysqlDatabase, kind: str) -> Mapping[str, float]:
        taken, figures = self.job(lambda: self.mooring.take(database, kind=kind))
        self.mooring.purge(taken.label)
        return figures | taken.copy_figures()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.clone_chains", description="Compare incremental with full clones."
    )
    mysqld = os.environ.get("MOORING_MYSQLD") or str(ROOT / "var" / "mysql" / "bin" / "mysqld")
    parser.add_argument("--mysqld", default=mysqld, help="the server")
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
    database = MysqlDatabase(work / f"mysql-{asked.gib:g}-gib", asked.gib, asked.mysqld)
    say(f"{database.name}: filling where that was not done, starting, warming")
    try:
        database.fill()
        with database.running() as server:
            mooring.add(database)
            CloneChains(server, mooring, samples, folder, asked.rounds).play_shapes(database)
    finally:
        mooring.remove()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
