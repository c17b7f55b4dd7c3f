"""How does every candidate get its turn, and what is measured of each?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from backups.programs.private_server import PrivateServer
from bench.database import await_idle
from bench.load import WriteLoad
from bench.measure import measure
from bench.mooring import Finished, Mooring
from bench.samples import Samples
from bench.shell import remove

# A candidate measures itself, clears up after itself, and returns its figures.
Candidate = Callable[[], Mapping[str, float]]


@dataclass(slots=True)
class Rounds:
    """What every section needs. The server runs."""

    server: PrivateServer
    mooring: Mooring
    samples: Samples
    # Files and folders that are measured, removed after use.
    folder: Path
    rounds: int

    def play(self, section: str, candidates: Mapping[str, Candidate]) -> None:
        names = list(candidates)
        for number in range(self.rounds):
            # Nobody always goes first, or always after the same one.
            start = number % len(names)
            for name in names[start:] + names[:start]:
                self.turn(section, name, number + 1, candidates[name])

    def turn(self, section: str, name: str, number: int, candidate: Candidate) -> None:
        figures = candidate()
        self.samples.add(section, name, number, figures)
        shown = ", ".join(f"{figure} {value:.4g}" for figure, value in figures.items())
        say(f"{section}, round {number}, {name}: {shown}")

    def pipe(self, work: Callable[[Path], float]) -> Mapping[str, float]:
        """Measure what writes one file."""
        sink = self.folder / "stream"
        cost = measure(lambda: work(sink), server_pid=self.server.pid)
        # The engine alone writes no file.
        stored = {"stored_bytes": float(sink.stat().st_size)} if sink.exists() else {}
        remove(sink)
        return cost.figures() | stored

    def job(self, run: Callable[[], Finished]) -> tuple[Finished, dict[str, float]]:
        """Measure one of Mooring's jobs."""
        jobs: list[Finished] = []

        def work() -> float:
            jobs.append(run())
            return jobs[0].process.cpu_s

        cost = measure(work, server_pid=self.server.pid)
        return jobs[0], cost.figures() | jobs[0].figures()

    def beside(self, writers: WriteLoad, work: Callable[[], object]) -> Mapping[str, float]:
        """Measure what writers get done beside something."""
        await_idle(self.server)
        report: list[Mapping[str, float]] = []

        def run() -> float:
            report.append(writers.beside(work).figures())
            return 0.0

        wall_s = measure(run).wall_s
        return {"wall_s": wall_s, **report[0]}


def say(text: str) -> None:
    """Tell whoever waits; standard output is for the tables."""
    print(text, file=sys.stderr, flush=True)
