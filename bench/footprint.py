"""What does Mooring use at rest, how fast does it start and stop, what does a command cost?

    .venv/bin/python -m bench.footprint [--minutes 4]

A whole Mooring as ``./mooring up`` runs it, one instance on a private MariaDB with one backup, and
nothing to do. The start is timed with an empty state folder and again with a full one.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import MIB, BenchError, tail, tree_bytes
from bench.process_tree import name_of, pss_bytes, read_used, tree, used_between

ROOT = Path(__file__).resolve().parent.parent
# What is done once after a start is over by then.
SETTLE_SECONDS = 60.0
PATIENCE_SECONDS = 120.0
ROUNDS = 3
COMMANDS = ("listbackups", "listschedules", "help")
UP = (sys.executable, "-m", "scripts.up")
MANAGE = (sys.executable, "-m", "scripts.manage")


@dataclass(frozen=True, slots=True)
class Goal:
    figure: str
    unit: str
    at_most: float | None = None


GOALS = (
    Goal("memory (PSS)", "MiB", 350),
    Goal("processes", ""),
    Goal("processor at rest", "s/min", 0.5),
    Goal("written at rest", "MiB/min", 0.1),
    Goal("wake-ups at rest", "/s", 10),
    Goal("logs grow", "MB/day", 1),
    Goal("first start", "s"),
    Goal("second start", "s", 5),
    Goal("stop at rest", "s", 3),
    *(Goal(f"{name}, processor", "s", 1) for name in COMMANDS),
)


@dataclass(slots=True)
class Measured:
    figures: dict[str, float] = field(default_factory=dict)
    # By process: its memory, and what it used a minute.
    details: list[str] = field(default_factory=list)


class Up:
    """A running Mooring, and how long it took to start."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._log = Path(environment["MOORING_HOME"]) / "up.log"
        began = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                UP, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stderr=log
            )
        self._await("Mooring is up")
        self.start_s = time.monotonic() - began
        self.pid = self._process.pid

    def stop(self) -> float:
        """Stop it as Ctrl-C does; return how long that took."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE_SECONDS)
        return time.monotonic() - began

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(PATIENCE_SECONDS)

    def _await(self, words: str) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while words not in self._log.read_text(encoding="utf-8"):
            if self._process.poll() is not None or time.monotonic() > until:
                raise BenchError(f"Mooring did not start:\n{tail(self._log)}")
            time.sleep(0.02)


@contextmanager
def up(environment: dict[str, str]) -> Iterator[Up]:
    running = Up(environment)
    try:
        yield running
    finally:
        running.end()


def measure(environment: dict[str, str], seconds: float) -> Measured:
    """Measure a site that is registered and has never run."""
    measured = Measured()
    with up(environment) as first:
        measured.figures["stop at rest"] = first.stop()
    with up(environment) as second:
        measured.figures["second start"] = second.start_s
        time.sleep(SETTLE_SECONDS)
        _measure_rest(second.pid, Path(environment["MOORING_HOME"]) / "log", seconds, measured)
        for name in COMMANDS:
            figure = f"{name}, processor"
            measured.figures[figure] = min(cpu_of(name, environment) for _ in range(ROUNDS))
        measured.figures["stop at rest"] = max(measured.figures["stop at rest"], second.stop())
    return measured


def _measure_rest(pid: int, logs: Path, seconds: float, measured: Measured) -> None:
    pids, log_bytes, began = tree(pid), tree_bytes(logs), time.monotonic()
    before = read_used(pids)
    time.sleep(seconds)
    pids = tree(pid)
    after, passed = read_used(pids), time.monotonic() - began
    used, minutes = used_between(before, after), passed / 60
    memory = {process: pss_bytes(process) / MIB for process in pids}
    measured.figures |= {
        "memory (PSS)": sum(memory.values()),
        "processes": len(pids),
        "processor at rest": used.cpu_s / minutes,
        "written at rest": used.written_bytes / MIB / minutes,
        "wake-ups at rest": used.wakeups / passed,
        "logs grow": (tree_bytes(logs) - log_bytes) / 1e6 * 86_400 / passed,
    }
    for process in pids:
        own = used_between(
            {process: before[process]} if process in before else {}, {process: after[process]}
        )
        measured.details.append(
            f"{name_of(process):12} {memory[process]:6.1f} MiB  {own.cpu_s / minutes:5.2f} s/min  "
            f"{own.written_bytes / 1024 / minutes:6.1f} KiB/min  {own.wakeups / passed:5.2f} /s"
        )


def cpu_of(name: str, environment: dict[str, str]) -> float:
    """Return the processor seconds of one of Mooring's commands."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    argv = [*MANAGE, name]
    subprocess.run(argv, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@contextmanager
def site() -> Iterator[tuple[dict[str, str], float]]:
    """Make a state folder with an instance, a repository and a backup; time its first start."""
    from backups.programs.private_server import PrivateServer, ServerOptions, initialise
    from tests.live.mooring_site import private_site
    from tests.live.server import LiveServer, free_port

    with tempfile.TemporaryDirectory(prefix="footprint-") as text:
        folder = Path(text)
        settings = ServerOptions(port=free_port(), server_id=1, binlog=True)
        initialise(folder / "data")
        port = {"MOORING_PORT": str(free_port())}
        with PrivateServer(folder / "data", settings) as server:
            live = LiveServer(server, "127.0.0.1", settings.port or 0)
            with private_site(live, throttle=0, lease=60, **port) as made:
                made.manage("takebackup", "bank-1", "--foreground")
                environment = os.environ | made.environment
                yield environment, _first_start(environment, folder / "empty")


def _first_start(environment: dict[str, str], home: Path) -> float:
    home.mkdir()
    with up(environment | {"MOORING_HOME": str(home)}) as running:
        return running.start_s


def table(figures: dict[str, float]) -> str:
    lines = ["| figure | measured | goal | |", "|---|---|---|---|"]
    for goal in GOALS:
        value, limit = figures[goal.figure], goal.at_most
        verdict = "" if limit is None else "met" if value <= limit else "NOT met"
        shown = "" if limit is None else f"<= {limit:g} {goal.unit}"
        lines.append(f"| {goal.figure} | {value:.2f} {goal.unit} | {shown} | {verdict} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=4)
    asked = parser.parse_args(argv)
    with site() as (environment, first_start):
        measured = measure(environment, asked.minutes * 60)
    measured.figures["first start"] = first_start
    print(table(measured.figures), "", *measured.details, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
