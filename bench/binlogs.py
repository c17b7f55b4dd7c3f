"""What does the binlog archive cost, and how fast is it? One table, with the goals beside it.

    python -m bench.binlogs                            # everything, about a quarter of an hour
    python -m bench.binlogs --only receive,index --json figures.json

receive and index: megabytes per processor second. live: one source that writes a megabyte a
second. idle: 200 archives with nothing to do. acknowledge: commits of 4 and 16 writers without and
with RPO 0. replay: from Mooring as the source, and by the programs' pipe. All but the seconds by
the clock are processor time: other programs of the machine change little of it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.arguments import count, names_of

SMALL_TOTAL, LARGE_TOTAL = 200 << 20, 600 << 20
LIVE_SECONDS = 60.0
IDLE_INSTANCES, IDLE_SECONDS = 200, 60.0
WRITERS, WRITE_SECONDS = (4, 16), 10.0
REPLAYED_MB = 200
FLAVOURS = ("mysql", "mariadb")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure has to be: at least or at most a value."""

    value: float
    at_least: bool = True

    def met_by(self, value: float) -> bool:
        return value >= self.value if self.at_least else value <= self.value

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    value: float
    unit: str
    goal: Goal | None = None

    def line(self) -> str:
        judged = ""
        if self.goal is not None:
            judged = f"{self.goal!s:8} {'met' if self.goal.met_by(self.value) else 'NOT MET'}"
        return f"{self.name:44} {self.value:10.2f} {self.unit:12} {judged}".rstrip()


def at_least(value: float) -> Goal:
    return Goal(value)


def at_most(value: float) -> Goal:
    return Goal(value, at_least=False)


def receive(_: argparse.Namespace) -> Iterator[Figure]:
    from bench.binlog_speed import LARGE, SMALL, receive_speed

    for name, shape, total in (("small", SMALL, SMALL_TOTAL), ("large", LARGE, LARGE_TOTAL)):
        cpu, _wall = receive_speed(shape, total)
        yield Figure(f"receive, {name} events", total / cpu / 1e6, "MB/s of CPU", at_least(40))


def live(_: argparse.Namespace) -> Iterator[Figure]:
    from bench.binlog_fleet import live_cost

    for flavour in FLAVOURS:
        for stored in (False, True):
            rate, share = live_cost(flavour, LIVE_SECONDS, stored=stored)
            name = f"live, {flavour}, {'stored too' if stored else 'received'}, {rate:.2f} MB/s"
            goal = None if stored else at_most(5)
            yield Figure(name, 100 * share, "% of a core", goal)


def index(_: argparse.Namespace) -> Iterator[Figure]:
    from bench.binlog_index import FORGED_TRANSACTIONS, forged, measure_index

    for flavour in FLAVOURS:
        figures = measure_index(flavour, iter(forged(flavour, FORGED_TRANSACTIONS)))
        rate = figures.bytes / figures.cpu_seconds / 1e6
        yield Figure(f"index, {flavour}", rate, "MB/s of CPU", at_least(60))


def idle(_: argparse.Namespace) -> Iterator[Figure]:
    from bench.binlog_fleet import idle_cost

    memory, share = idle_cost(IDLE_INSTANCES, IDLE_SECONDS)
    yield Figure(f"idle, {IDLE_INSTANCES} archives, memory", memory, "MiB", at_most(150))
    yield Figure(f"idle, {IDLE_INSTANCES} archives", 100 * share, "% of a core", at_most(10))


def acknowledge(_: argparse.Namespace) -> Iterator[Figure]:
    from bench.binlog_fleet import commits_per_second

    for flavour in FLAVOURS:
        for writers in WRITERS:
            without, with_it = (
                commits_per_second(flavour, writers, WRITE_SECONDS, acknowledged=acknowledged)
                for acknowledged in (False, True)
            )
            name = f"acknowledge, {flavour}, {writers} writers"
            yield Figure(f"{name}, without", without, "commits/s")
            yield Figure(f"{name}, with RPO 0", with_it, "commits/s")
            yield Figure(f"{name}, with / without", with_it / without, "ratio")


def replay(options: argparse.Namespace) -> Iterator[Figure]:
    from bench.binlog_replay import from_mooring, from_pipe, write

    for flavour in FLAVOURS:
        with tempfile.TemporaryDirectory(dir=options.work, prefix="replay-") as name:
            folder = Path(name)
            written = write(folder, flavour, options.mb)
            ours = from_mooring(written, folder / "ours")
            pipe = from_pipe(written, folder / "pipe")
        for each in (ours, pipe):
            print(f"# {flavour}, {each.line()}", flush=True)
        speed, cpu = pipe.wall_s / ours.wall_s, ours.cpu_s / pipe.cpu_s
        yield Figure(f"replay, {flavour}, pipe's time / ours", speed, "ratio", at_least(2))
        yield Figure(f"replay, {flavour}, our CPU / the pipe's", cpu, "ratio", at_most(0.5))


SECTIONS: Mapping[str, Callable[[argparse.Namespace], Iterator[Figure]]] = {
    "receive": receive,
    "live": live,
    "index": index,
    "idle": idle,
    "acknowledge": acknowledge,
    "replay": replay,
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=names_of(tuple(SECTIONS)), default=tuple(SECTIONS))
    parser.add_argument("--mb", type=count, default=REPLAYED_MB, help="of binlog to replay")
    parser.add_argument("--work", type=Path, help="folder for the servers of replay")
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args(argv)
    _set_up_django()
    figures = []
    for name in options.only:
        print(f"# {name}, load {os.getloadavg()[0]:.1f}", flush=True)
        for figure in SECTIONS[name](options):
            print(figure.line(), flush=True)
            figures.append(figure)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in figures], indent=1))
    missed = [each for each in figures if each.goal and not each.goal.met_by(each.value)]
    return 1 if missed else 0


def _set_up_django() -> None:
    # Before models are imported.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()


if __name__ == "__main__":
    sys.exit(main())
