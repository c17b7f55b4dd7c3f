"""How long do the rules take for a fleet? Generates one, then asks about all and about changes.

    .mooring/venv/bin/python -m bench.alerts --instances 10000 --days 365

On a PostgreSQL that exists only meanwhile:

    export PATH="$PWD/.mooring/venv/bin:$PATH"
    python -m scripts.private_postgres python -m bench.alerts --instances 10000

The database is that of DATABASE_URL, which must be empty, or a SQLite file that is removed
afterwards.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

# What issue and design check_rules for at 10,000 instances, in seconds.
SWEEP_SECONDS, CHANGED_SECONDS = 30, 2
# How many instances something happens to between two ticks.
CHANGED = 200


def main(words: Sequence[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=1000)
    parser.add_argument("--days", type=int, default=60)
    asked = parser.parse_args(words)
    with ExitStack() as stack:
        _set_up(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mooring-bench-"))))
        figures = measure(asked.instances, asked.days)
    for name, seconds in figures.items():
        print(f"{name:<38} {seconds:8.2f} s")
    print(f"to be held at 10,000: sweep {SWEEP_SECONDS} s, what changed {CHANGED_SECONDS} s")
    return figures


def measure(instances: int, days: int) -> dict[str, float]:
    """Fill the database and time one evaluation of each sort."""
    from alerts.evaluation.evaluate import evaluate_all, evaluate_changed
    from alerts.models import Alert
    from bench.fleet import create_fleet

    now = datetime.now(UTC).replace(microsecond=0)
    figures = {"filling": _seconds(lambda: create_fleet(instances, days, now))}
    _analyse()
    evaluate_changed(now)
    figures["first sweep, opens alerts"] = _seconds(lambda: evaluate_all(now))
    later = now + timedelta(minutes=5)
    figures["sweep, nothing new"] = _seconds(lambda: evaluate_all(later))
    figures["what changed: nothing"] = _seconds(lambda: evaluate_changed(later))
    _let_jobs_end(CHANGED, later)
    tick = later + timedelta(seconds=10)
    figures[f"what changed: {CHANGED} backups ended"] = _seconds(lambda: evaluate_changed(tick))
    print(f"{Alert.objects.count()} alerts")
    return figures


def _set_up(folder: Path) -> None:
    os.environ["MOORING_HOME"] = str(folder)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monitor.settings")
    import django
    from django.core.management import call_command

    from scripts.state_folder import prepare_folder

    prepare_folder(folder)
    django.setup()
    call_command("migrate", verbosity=0)


def _analyse() -> None:
    """Let the database know its own tables, as its own housekeeping would have by now."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _let_jobs_end(count: int, now: datetime) -> None:
    from backups.models import Instance, Job, JobEvent

    for instance in Instance.objects.order_by("-id")[:count]:
        job = Job.objects.create(
            operation="backup", instance=instance, kind="full", status="succeeded",
            started_at=now, ended_at=now,
        )  # fmt: skip
        JobEvent.objects.create(job=job, created_at=now, new_status="succeeded")


def _seconds(work: Callable[[], Any]) -> float:
    # Any: what is timed may answer what it likes.
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
