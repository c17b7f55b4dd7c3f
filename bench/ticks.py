"""What does a tick of the schedules cost, in a large fleet and in a small one?

python -m bench.ticks [--instances 10000 --schedules 20000 --occurrences 5000000]

Each size is measured in a process of its own, on a new SQLite file and on a private
PostgreSQL, with a private Redis that takes the wake-ups.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from scripts.private_postgres import private_postgres
from scripts.state_folder import prepare_folder

ROOT = Path(__file__).resolve().parents[1]
SMALL_INSTANCES = 100
DUE, COMPARED_DUE = 200, 100
MOST_SECONDS, MOST_TIMES = 1.0, 2.0
Figures = Mapping[str, float]


def main() -> int:
    asked = parse_arguments()
    share = SMALL_INSTANCES / asked.instances
    small = (
        SMALL_INSTANCES,
        max(COMPARED_DUE, round(asked.schedules * share)),
        round(asked.occurrences * share),
    )
    large = (asked.instances, asked.schedules, asked.occurrences)
    for name in asked.database:
        few = measure(name, small, asked.rounds, [COMPARED_DUE], asked.work)
        many = measure(name, large, asked.rounds, [DUE, COMPARED_DUE], asked.work)
        report(name, asked, few, many)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=1_000)
    parser.add_argument("--schedules", type=int, default=2_000)
    parser.add_argument("--occurrences", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--database", nargs="+", default=["sqlite", "postgres"])
    parser.add_argument("--work", type=Path, help="Where SQLite's file is made.")
    asked = parser.parse_args()
    if asked.instances < DUE or asked.schedules < asked.instances:
        parser.error(f"at least {DUE} instances, and as many schedules")
    return asked


def measure(
    database: str, size: tuple[int, int, int], rounds: int, dues: list[int], work: Path | None
) -> Figures:
    """Return the median seconds of each tick, and how long filling took."""
    with tempfile.TemporaryDirectory(prefix="mooring-ticks-", dir=work) as name:
        home = Path(name)
        prepare_folder(home)
        where = private_postgres() if database == "postgres" else nullcontext("")
        with where as url, redis(home):
            environment = {
                **os.environ,
                "MOORING_HOME": name,
                "DJANGO_SETTINGS_MODULE": "monitor.settings",
                "MOORING_LOG_LEVEL": "WARNING",
            }
            environment.pop("REDIS_URL", None)
            environment.pop("DATABASE_URL", None)
            if url:
                environment["DATABASE_URL"] = url
            argv = [sys.executable, "-m", "bench.tick_rounds"]
            argv += [str(number) for number in (*size, rounds, *dues)]
            done = subprocess.run(
                argv, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE
            )
    answer = json.loads(done.stdout)
    medians = {name: statistics.median(figures) for name, figures in answer["figures"].items()}
    return {**medians, "fill": answer["fill_s"]}


@contextmanager
def redis(home: Path) -> Iterator[None]:
    """Have the broker the settings look for."""
    socket = home / "run" / "redis.sock"
    socket.parent.mkdir(exist_ok=True)
    argv = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", ""]
    child = subprocess.Popen([*argv, "--dir", str(home)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            time.sleep(0.02)
        yield
    finally:
        child.terminate()
        child.wait()


def report(database: str, asked: argparse.Namespace, few: Figures, many: Figures) -> None:
    print(f"\n## {database}: {asked.instances} instances, {asked.schedules} schedules, "
          f"about {asked.occurrences} occurrences (filled in {many['fill']:.0f} s)\n")  # fmt: skip
    print("| tick | large fleet s | small fleet s | times |\n|---|---|---|---|")
    for name in ("start", "follow", "end", "idle"):
        print(f"| {name}, {DUE} due | {many[f'{name} {DUE}']:.3f} | | |")
        large, small = many[f"{name} {COMPARED_DUE}"], few[f"{name} {COMPARED_DUE}"]
        print(f"| {name}, {COMPARED_DUE} due | {large:.3f} | {small:.3f} | {large / small:.2f} |")
    slowest = max(many[f"{name} {DUE}"] for name in ("start", "follow", "end"))
    times = many[f"start {COMPARED_DUE}"] / few[f"start {COMPARED_DUE}"]
    print(f"\nslowest tick with {DUE} due: {slowest:.3f} s, target {MOST_SECONDS} s: "
          f"{'met' if slowest <= MOST_SECONDS else 'not met'}")  # fmt: skip
    print(f"start with {COMPARED_DUE} due, large to small: {times:.2f}, target {MOST_TIMES}: "
          f"{'met' if times <= MOST_TIMES else 'not met'}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
