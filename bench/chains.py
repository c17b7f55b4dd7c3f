"""How does an incremental backup compare with the tool's own, and a chain with a full backup?

    python -m bench.chains [--gib 4] [--rounds 3] [--links 6] [--json FILE]

After one per cent of the rows was changed, at random places (scattered) or in one stretch of each
table (clustered), Mooring's incremental backup and ``mariadb-backup --incremental-lsn`` with zstd
take turns from the same state. Then a full backup with links, one per cent scattered before each,
is restored beside a full backup of the same moment, and consolidated beside ``cat`` of the same
packs. It prints tables and never judges.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.arguments import count, size
from bench.backup_vs_shell import THREADS
from bench.changes import SHAPES, Changes
from bench.database import Database
from bench.measure import measure
from bench.mooring import ROOT, Mooring
from bench.program import empty_folders, measure_and_show
from bench.rounds import Rounds, say
from bench.samples import Place, Ratio, Samples
from bench.shell import Shell, remove

# What of the tool's own is promised, by shape.
STORED_AT_MOST = {"scattered": 0.3, "clustered": 1.0}


def _ratios() -> Sequence[Ratio]:
    ratios = []
    for shape in SHAPES:
        mooring, native = f"{shape}, mooring", f"{shape}, native"
        for figure in ("wall_s", "job_s"):
            below = Place("incremental", native, "wall_s")
            above = Place("incremental", mooring, figure)
            ratios.append(Ratio(f"{shape}: {figure} ÷ native | zstd", above, below, at_most=1.10))
        above = Place("incremental", mooring, "stored_bytes")
        below = Place("incremental", native, "stored_bytes")
        at_most = STORED_AT_MOST[shape]
        ratios.append(Ratio(f"{shape}: stored ÷ native | zstd", above, below, at_most=at_most))
        above = Place("consolidate", mooring, "job_s")
        below = Place("consolidate", f"{shape}, cat", "wall_s")
        # 0.8 of its speed.
        ratios.append(Ratio(f"{shape}: consolidation ÷ cat", above, below, at_most=1.25))
    chain, full = (Place("chain", name, "wall_s") for name in ("full and links", "full"))
    prepared, by_tool = (Place("prepared", name, "wall_s") for name in ("mooring", "native"))
    peak = Place("incremental", "scattered, mooring", "rss_mib")
    peak_made = Place("consolidate", "scattered, mooring", "rss_mib")
    return (
        *ratios,
        Ratio("restore of a chain ÷ of a full backup", chain, full, at_most=1.3),
        Ratio("restore of a chain, prepared ÷ native", prepared, by_tool, at_most=0.5),
        Ratio("peak RSS of an incremental, MiB", peak, at_most=350),
        Ratio("peak RSS of a consolidation, MiB", peak_made, at_most=350),
    )


class Chains(Rounds):
    """The sections, on one database."""

    def __init__(self, rounds: Rounds, database: Database, shell: Shell, *, links: int) -> None:
        super().__init__(
            rounds.server, rounds.mooring, rounds.samples, rounds.folder, rounds.rounds
        )
        self._database, self._shell, self._links = database, shell, links
        self._changes = Changes(rounds.server, database)

    def increments(self) -> None:
        for shape in SHAPES:
            base = self.mooring.take(self._database)
            since = self.mooring.lsn(base.label)
            self._changes.make(shape)
            self.play(
                "incremental",
                {
                    f"{shape}, mooring": self._take_increment,
                    f"{shape}, native": partial(self._take_native, since),
                },
            )
            self.mooring.purge(base.label)

    def chain(self) -> None:
        """All restore the same moment."""
        changes: list[Path] = []
        labels = self._take_chain("scattered", changes)
        full = self.mooring.take(self._database).label
        self.play(
            "chain",
            {
                "full and links": lambda: self._restore(labels[-1]),
                "full": lambda: self._restore(full),
            },
        )
        self.mooring.purge(full)
        self.play(
            "prepared",
            {
                "mooring": lambda: self._restore(labels[-1], raw=False),
                "native": lambda: self._restore_native(changes),
            },
        )
        remove(*changes)
        self._play_consolidation("scattered", labels)

    def clustered_chain(self) -> None:
        self._play_consolidation("clustered", self._take_chain("clustered"))

    def _take_chain(self, shape: str, changes: list[Path] | None = None) -> list[str]:
        """Take a full backup and its links; with ``changes``, the tool's own beside them."""
        labels: list[str] = []
        since: int | None = None
        for number in range(self._links + 1):
            if labels:
                self._changes.make(shape)
            kind = "incremental" if labels else "full"
            labels.append(self.mooring.take(self._database, kind=kind).label)
            if changes is not None:
                changes.append(self.folder / f"native-{number}")
                self._shell.compress_changes(self._database.login, changes[-1], since_lsn=since)
                since = self._shell.changes_reach_to()
        return labels

    def _play_consolidation(self, shape: str, labels: Sequence[str]) -> None:
        packs = [pack for label in labels for pack in self.mooring.packs(label)]
        self.play(
            "consolidate",
            {
                f"{shape}, mooring": lambda: self._consolidate(labels[-1]),
                f"{shape}, cat": lambda: self.pipe(lambda sink: self._shell.rewrite(packs, sink)),
            },
        )
        for label in reversed(labels):
            self.mooring.purge(label)

    def _take_native(self, since_lsn: int) -> Mapping[str, float]:
        login, shell = self._database.login, self._shell
        return self.pipe(lambda sink: shell.compress_changes(login, sink, since_lsn=since_lsn))

    def _take_increment(self) -> Mapping[str, float]:
        taken, figures = self.job(lambda: self.mooring.take(self._database, kind="incremental"))
        self.mooring.purge(taken.label)
        return figures | taken.copy_figures()

    def _restore(self, label: str, *, raw: bool = True) -> Mapping[str, float]:
        target = self.folder / "restored"
        done, figures = self.job(lambda: self.mooring.restore(label, target, raw=raw))
        shutil.rmtree(target)
        return {**figures, "stage_s": done.stages_s["extract"]}

    def _restore_native(self, changes: Sequence[Path]) -> Mapping[str, float]:
        target = self.folder / "restored"
        cost = measure(lambda: self._shell.restore_changes(changes, target))
        shutil.rmtree(target)
        return cost.figures()

    def _consolidate(self, label: str) -> Mapping[str, float]:
        made, figures = self.job(lambda: self.mooring.consolidate(label))
        self.mooring.purge(made.label)
        return {**figures, "stage_s": made.stages_s["merge"], "stored_bytes": made.stored_bytes}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.chains", description="Compare chains of backups."
    )
    parser.add_argument("--gib", type=size, default=4.0, help="size of the tables (4)")
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument("--links", type=count, default=6, help="of the chain to restore (6)")
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "bench", help="kept folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    asked = parser.parse_args(arguments)
    return measure_and_show(asked, _measure, _ratios())


def _measure(asked: argparse.Namespace, samples: Samples) -> None:
    work: Path = asked.work.resolve()
    logs, folder = empty_folders(work)
    mooring = Mooring(work / "mooring", logs, threads=THREADS)
    mooring.set_up()
    database = Database(work / f"{asked.gib:g}-gib", asked.gib)
    say(f"{database.name}: filling where that was not done, starting, warming")
    database.fill()
    try:
        with database.running() as server:
            mooring.add(database)
            rounds = Rounds(server, mooring, samples, folder, asked.rounds)
            shell = Shell(folder, logs, threads=THREADS)
            chains = Chains(rounds, database, shell, links=asked.links)
            chains.increments()
            chains.chain()
            chains.clustered_chain()
    finally:
        mooring.remove()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
