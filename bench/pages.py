"""How long does the server take for each page of a large fleet, and how heavy is it?

python -m bench.pages [--instances 2000 --jobs 500000]

Everything in this process, on a new SQLite file: the time of the view, its queries and its
template, without the network. Medians of several loads.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.state_folder import prepare_folder

FLEET_MS, PAGE_MS, HEAVIEST_KIB = 200, 100, 120
STATIC = re.compile(r'(?:src|href)="/static/([^"#]+)')
FIGURE = re.compile(r'<script id="chart-[^>]*>.*?</script>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Measured:
    """One page: its medians, its slowest, its queries, and its bytes without plotly."""

    # What this process worked, whatever else the machine does; and by the clock on the wall.
    worked_ms: float
    median_ms: float
    slowest_ms: float
    queries: int
    kib: float


def main() -> int:
    asked = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="mooring-pages-", dir=asked.work) as name:
        prepare_folder(Path(name))
        os.environ.pop("DATABASE_URL", None)
        os.environ |= {
            "MOORING_HOME": name,
            "DJANGO_SETTINGS_MODULE": "monitor.settings",
            "MOORING_LOG_LEVEL": "WARNING",
            "MOORING_ALLOWED_HOSTS": "testserver",
        }
        import django

        django.setup()
        return run(asked)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=2_000)
    parser.add_argument("--jobs", type=int, default=500_000)
    parser.add_argument("--loads", type=int, default=15)
    parser.add_argument("--work", type=Path, help="Where SQLite's file is made.")
    return parser.parse_args()


def run(asked: argparse.Namespace) -> int:
    from django.core.management import call_command
    from django.utils.timezone import now

    from backups.health.protection_rows import judge_due
    from bench.pages_alerts import fill_alerts
    from bench.pages_fill import fill

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    begun = time.perf_counter()
    job = fill(asked.instances, asked.jobs, now())
    filled = time.perf_counter()
    while judge_due(now()):
        pass
    judged = time.perf_counter()
    print(f"{asked.instances} instances and {asked.jobs} jobs: filled in {filled - begun:.0f} s, "
          f"all judged in {judged - filled:.1f} s\n")  # fmt: skip
    alert = fill_alerts(now())
    print("| page | worked ms | target | wall ms | slowest ms | queries | KiB |\n"
          "|---|---|---|---|---|---|---|")  # fmt: skip
    met = True
    for name, address, target in pages(job, alert.pk):
        measured = measure(address, asked.loads)
        good = measured.worked_ms <= target and measured.kib <= HEAVIEST_KIB
        met = met and good
        print(f"| {name} | {measured.worked_ms:.0f} | {target}{'' if good else ' NOT MET'} "
              f"| {measured.median_ms:.0f} | {measured.slowest_ms:.0f} | {measured.queries} "
              f"| {measured.kib:.0f} |")  # fmt: skip
    return 0 if met else 1


# A job of the benchmark, whose models can be imported only after Django was set up.
def pages(job: object, alert: int) -> Iterator[tuple[str, str, int]]:
    """Yield what is measured: pages that other branches bring are measured once they are there."""
    from django.urls import NoReverseMatch, reverse

    from backups.models import Backup, Job, Occurrence

    assert isinstance(job, Job)
    backup = Backup.objects.latest("id")
    running = Job.objects.filter(status="running").latest("id")
    yield "fleet", "/", FLEET_MS
    yield "fleet, at risk, by size", "/?state=at_risk&sort=-size", FLEET_MS
    yield "fleet, last page by name", "/?sort=-name&page=9999", FLEET_MS
    yield "fleet, searched", "/?q=0012", FLEET_MS
    schedule = Occurrence.objects.get(job=job).schedule
    parts = (
        "schedules", "calendar", "alerts", "alert-history", "silences", "rules", "channels",
        "repositories", "activity",
    )  # fmt: skip
    ones: list[tuple[str, list[str | int]]] = [
        ("group-detail", ["group-0"]),
        ("instance-detail", [job.instance.name]),
        ("job-detail", [job.pk]),
        ("job-live", [running.pk]),
        ("backup-detail", [backup.label]),
        ("schedule-detail", [schedule.name]),
        ("calendar-day", [job.instance.name, f"{job.requested_at:%Y-%m-%d}"]),
        ("alert-detail", [alert]),
        ("rule-detail", ["job_failed"]),
        ("channel-detail", ["hook-3"]),
        *((name, []) for name in parts),
    ]
    for name, words in ones:
        try:
            yield name, reverse(name, args=words), PAGE_MS
        except NoReverseMatch:
            continue


def measure(address: str, loads: int) -> Measured:
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    user, _ = User.objects.get_or_create(username="bench", is_superuser=True, is_active=True)
    client = Client()
    client.force_login(user)
    queries: list[str] = []

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        queries.append(sql)
        return execute(sql, *rest)

    _body(client, address)
    with connection.execute_wrapper(count):
        page = _body(client, address)
    times = [_timed(client, address) for _ in range(loads)]
    worked, wall = zip(*times, strict=True)
    return Measured(
        statistics.median(worked),
        statistics.median(wall),
        max(wall),
        len(queries),
        weight(page) / 1024,
    )


def _body(client: object, address: str) -> str:
    from django.test import Client

    assert isinstance(client, Client)
    answer = client.get(address)
    assert answer.status_code == 200, f"{address}: {answer.status_code}"
    return answer.content.decode()


def _timed(client: object, address: str) -> tuple[float, float]:
    """Load a page; return the milliseconds of this process's work, and of the wall's clock."""
    worked, begun = time.process_time(), time.perf_counter()
    _body(client, address)
    return (time.process_time() - worked) * 1000, (time.perf_counter() - begun) * 1000


def weight(page: str) -> int:
    """Add up the page and every file it names, without plotly and what only plotly reads."""
    from django.contrib.staticfiles import finders

    names = {re.sub(r"\.[0-9a-f]{12}(?=\.)", "", name) for name in STATIC.findall(page)}
    paths = [finders.find(name) for name in names if "plotly" not in name]
    sizes = [Path(path).stat().st_size for path in paths if isinstance(path, str)]
    return len(FIGURE.sub("", page).encode()) + sum(sizes)


if __name__ == "__main__":
    sys.exit(main())
