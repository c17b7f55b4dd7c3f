"""Random jobs, of chains too, and random faults for a while: is every promise kept at the end?

    .mooring/venv/bin/python -m bench.soak --minutes 30 --seed 7

Four instances on two private MariaDB, a worker with two processes, a private Redis and
PostgreSQL, an sshd, a repository on a small disk of its own. At the end everything is repaired,
the ticks run, and rows, repository and processes are held against each other. The exit code is
1 where they contradict each other, and the figures are printed in any case.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pymysql

if TYPE_CHECKING:
    from backups.programs.private_server import PrivateServer
    from tests.live.breakable_site import BreakableSite

INSTANCES = ("near", "far", "near-2", "far-2")
KINDS = ("full", "incremental", "incremental", "differential", "auto")
COMMANDS = (
    *["takebackup"] * 4,
    "verifybackup",
    "testrestore",
    "restorebackup",
    "consolidatebackup",
    "purgebackup",
)
TICK_SECONDS = 2.0
AT_ONCE = 4
SETTLE_SECONDS = 90
OUR_FAULT = "error LIKE '%unexpected %'"
# Up to the line of the error, the first that is not indented.
TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n(?:^[ \t].*\n)+^.*$", re.MULTILINE)
TRACEBACKS_SHOWN = 12


@dataclass
class Figures:
    """What happened."""

    asked: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    exit_codes: Counter[int] = field(default_factory=Counter)
    worker_restarts: int = 0
    tracebacks: list[str] = field(default_factory=list)


class Soak:
    """Requests jobs and breaks things, by chance."""

    def __init__(self, site: BreakableSite, servers: Sequence[PrivateServer], seed: int) -> None:
        self._site, self._servers, self._chance = site, servers, random.Random(seed)
        self._open: dict[int, str] = {}
        self._repairs: list[tuple[float, Callable[[], None]]] = []
        self.figures = Figures()

    def run(self, seconds: float) -> None:
        until, ticked = time.monotonic() + seconds, 0.0
        while time.monotonic() < until:
            self._repair_what_is_due()
            self._keep_worker()
            self._collect()
            if not self._repairs and time.monotonic() - ticked > TICK_SECONDS:
                self._site.start("tick")
                ticked = time.monotonic()
            if len(self._open) < AT_ONCE:
                self._ask()
            if self._chance.random() < 0.06 and not self._repairs:
                self._break()
            time.sleep(0.3)

    def settle(self) -> None:
        """Repair everything and let what is under way come to its end."""
        for _, repair in self._repairs:
            repair()
        self._repairs.clear()
        self._keep_worker()
        until = time.monotonic() + SETTLE_SECONDS
        busy = "SELECT 1 FROM backups_job WHERE status IN ('pending', 'running') OR leftovers"
        while time.monotonic() < until and (self._site.rows(busy) or self._open):
            self._site.tick()
            self._collect()
            time.sleep(1)

    def _keep_worker(self) -> None:
        """Start a worker again that has ended, as ``./mooring up`` and every supervisor do.

        kombu 5.7 sometimes gives up where its broker goes away: the jobs at work end in order.
        """
        if self._site.children["worker"].poll() is not None:
            self.figures.worker_restarts += 1
            self._site.start_worker()

    def _ask(self) -> None:
        words = self._words()
        if words is None:
            return
        self.figures.asked[words[0]] += 1
        self._open[self._site.start(*words, "--json")] = words[0]

    def _words(self) -> list[str] | None:
        what = self._chance.choice(COMMANDS)
        if what == "takebackup":
            self._write()
            kind = self._chance.choice(KINDS)
            return [what, self._chance.choice(INSTANCES), "--kind", kind]
        labels = self._stored()
        if not labels:
            return None
        label = self._chance.choice(labels)
        if what == "restorebackup":
            folder = f"target-{self._chance.randrange(10**9)}"
            return [what, label, "--to", str(self._site.disk / folder)]
        if what == "purgebackup":
            return [what, label, "--now", "--reason", "soak"]
        return [what, label]

    def _write(self) -> None:
        """Change some pages, so that the next link of a chain has something to store."""
        divisor = self._chance.randrange(2, 50)
        sql = f"UPDATE shop.orders SET note = REPEAT(MD5(RAND()), 6) WHERE id % {divisor} = 0"
        for server in self._servers:
            # A server that was killed is started again by its repair.
            with suppress(pymysql.Error), server.connect() as connection:
                with connection.cursor() as cursor:
                    cursor.execute(sql)
                connection.commit()

    def _stored(self) -> list[str]:
        with suppress(Exception):
            sql = (
                "SELECT b.label FROM backups_backup b JOIN backups_backupcopy c "
                "ON c.backup_id = b.id WHERE c.status = 'stored'"
            )
            return [label for (label,) in self._site.rows(sql)]
        # The database cannot be reached just now.
        return []

    def _collect(self) -> None:
        for number in list(self._open):
            end = self._site.home / "said" / f"{number}.end"
            if not end.exists():
                continue
            answer = self._site.said(number, 1)
            self.figures.exit_codes[answer.code] += 1
            if "Traceback" in answer.out + answer.err:
                self.figures.tracebacks.append(f"{self._open[number]}: {answer.err[-2000:]}")
            del self._open[number]
        for target in self._site.disk.glob("target-*"):
            # Complete, and nobody's: a user would have taken it away.
            if (target / "ibdata1").exists() and not (target / ".mooring-restore").exists():
                _remove(target)

    def _break(self) -> None:
        site = self._site
        faults: dict[str, tuple[Callable[[], object], Callable[[], None], float]] = {
            "worker killed": (self._kill_worker, lambda: None, 0),
            "engine killed": (self._kill_engine, lambda: None, 0),
            "server killed": (site.kill_server, site.server.start, 2),
            "disk full": (site.fill_disk, site.free_disk, 4),
            "ssh cut": (site.cut_ssh, site.start_sshd, 3),
            "broker away": (site.kill_broker, site.start_broker, 4),
            "database away": (site.stop_database, site.start_database, 1),
        }
        name = self._chance.choice(sorted(faults))
        strike, repair, after = faults[name]
        strike()
        self.figures.faults[name] += 1
        self._repairs.append((time.monotonic() + after, repair))

    def _repair_what_is_due(self) -> None:
        for repair in list(self._repairs):
            if time.monotonic() >= repair[0]:
                repair[1]()
                self._repairs.remove(repair)

    def _kill_worker(self) -> None:
        worker = psutil.Process(self._site.children["worker"].pid)
        pool = [child for child in worker.children() if "python" in child.name()]
        if pool:
            self._chance.choice(pool).send_signal(signal.SIGKILL)

    def _kill_engine(self) -> None:
        for process in self._site.engines():
            with suppress(psutil.NoSuchProcess):
                if process.name() in {"mariadb-backup", "mariadbd"}:
                    process.kill()


def broken_promises(site: BreakableSite) -> list[str]:
    """Hold rows, repository and processes against each other; return every contradiction."""
    counts = {
        "jobs that have not ended": "status IN ('pending', 'running')",
        "jobs that say something is left": "leftovers",
        "jobs that hold a claim or a lease": "exclusive_key IS NOT NULL "
        "OR lease_expires_at IS NOT NULL",
        "failed jobs without a reason": "status IN ('failed', 'refused') AND error = ''",
        "jobs that failed by a fault of our own": OUR_FAULT,
    }
    broken = [
        f"{count} {what}"
        for what, where in counts.items()
        if (count := site.rows(f"SELECT count(*) FROM backups_job WHERE {where}")[0][0])
    ]
    if places := site.rows("SELECT count(*) FROM backups_limitplace")[0][0]:
        broken.append(f"{places} places under limits held without a job")
    stored = {path for (path,) in site.rows(_COPIES)}
    there = {
        path.parent.relative_to(site.disk / "repository").as_posix()
        for path in site.disk.glob("repository/*/*/*/*/manifest.json.zst")
    }
    broken += [f"in the catalog and not on the disk: {path}" for path in sorted(stored - there)]
    broken += [f"on the disk and not in the catalog: {path}" for path in sorted(there - stored)]
    packs = {
        path.parent.relative_to(site.disk / "repository").as_posix()
        for path in site.disk.glob("repository/*/*/*/*/packs")
    }
    broken += [f"packs without a manifest: {path}" for path in sorted(packs - there)]
    broken += [f"unfinished: {path}" for path in site.disk.rglob("*.part")]
    broken += [f"left in scratch: {path.name}" for path in site.disk.glob("scratch/*")]
    broken += [f"half restored: {path.parent}" for path in site.disk.rglob(".mooring-restore")]
    broken += [f"still running: {' '.join(engine.cmdline())[:200]}" for engine in site.engines()]
    return broken


def our_faults(site: BreakableSite) -> list[str]:
    """Return the jobs that failed by a fault of our own, and the tracebacks in the logs."""
    rows = site.rows(f"SELECT id, operation, error FROM backups_job WHERE {OUR_FAULT} ORDER BY id")
    failures = [f"job {number}, {operation}: {error}" for number, operation, error in rows]
    if not failures:
        return []
    tracebacks: dict[str, str] = {}
    for log in sorted(site.home.glob("*.log")):
        for traceback in TRACEBACK.findall(log.read_text(errors="replace")):
            # One of each kind: the last line is the error.
            tracebacks.setdefault(traceback.splitlines()[-1], f"{log.name}:\n{traceback}")
    return [*failures, *list(tracebacks.values())[:TRACEBACKS_SHOWN]]


_COPIES = "SELECT path FROM backups_backupcopy WHERE status = 'stored'"


def prove_what_is_stored(site: BreakableSite) -> list[str]:
    """Verify every backup that is left, restore the newest of each chain, take one of each kind."""
    labels = site.rows(
        "SELECT b.label FROM backups_backup b JOIN backups_backupcopy c ON c.backup_id = b.id "
        "WHERE c.status = 'stored'"
    )
    newest = site.rows(
        "SELECT b.label FROM backups_backup b JOIN backups_backupcopy c ON c.backup_id = b.id "
        "WHERE c.status = 'stored' AND b.base_id IS NOT NULL AND NOT EXISTS ("
        "SELECT 1 FROM backups_backup next JOIN backups_backupcopy held "
        "ON held.backup_id = next.id AND held.status = 'stored' WHERE next.base_id = b.id)"
    )
    commands = [["verifybackup", label] for (label,) in labels]
    commands += [["testrestore", label] for (label,) in newest]
    commands += [
        ["takebackup", instance, "--kind", kind]
        for instance in INSTANCES
        for kind in ("full", "incremental", "differential")
    ]
    return [problem for words in commands if (problem := _must_succeed(site, words))]


def _must_succeed(site: BreakableSite, words: list[str]) -> str:
    """Run a command that must succeed; return the problem, blank if there is none."""
    try:
        ended = site.run(*words, "--json")
    except AssertionError:
        rows = site.rows("SELECT id, status, waits_for FROM backups_job ORDER BY id DESC LIMIT 1")
        log = (site.home / "worker.log").read_text(errors="replace").splitlines()[-8:]
        return "\n  ".join([f"{' '.join(words)} does not end: {rows}", *log])
    return f"{' '.join(words)} fails: {ended.out[:500]}" if ended.code else ""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args(argv)
    _set_up_django()
    from tests.live.breakable_site import add_instances, breakable_site, second_server

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-"))
        site = stack.enter_context(breakable_site(Path(folder) / "s"))
        other = stack.enter_context(second_server(Path(folder) / "second"))
        add_instances(site, other, suffix="-2")
        soak = Soak(site, (site.server, other), options.seed)
        print(f"seed {options.seed}, {options.minutes:g} minutes", flush=True)
        began = time.monotonic()
        soak.run(options.minutes * 60)
        soak.settle()
        broken = broken_promises(site) + our_faults(site) + soak.figures.tracebacks
        broken += prove_what_is_stored(site)
        report(site, soak.figures, time.monotonic() - began, broken)
    return 1 if broken else 0


def report(site: BreakableSite, figures: Figures, seconds: float, broken: Sequence[str]) -> None:
    statuses = site.rows(
        "SELECT operation, status, count(*) FROM backups_job GROUP BY 1, 2 ORDER BY 1, 2"
    )
    print(f"{seconds / 60:.1f} minutes, {sum(count for *_, count in statuses)} jobs")
    for operation, status, count in statuses:
        print(f"  {operation:13} {status:10} {count:6}")
    print(f"commands by exit code: {dict(sorted(figures.exit_codes.items()))}")
    print(f"faults: {dict(sorted(figures.faults.items()))}")
    print(f"workers that ended by themselves: {figures.worker_restarts}")
    print(f"backups stored at the end: {len(site.rows(_COPIES))}")
    for line in broken:
        print(f"BROKEN: {line}")
    print("every promise was kept" if not broken else f"{len(broken)} promises were broken")


def _set_up_django() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
