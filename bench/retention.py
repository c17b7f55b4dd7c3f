"""How long does retention take to judge a large catalog?

python -m bench.retention [--backups 10000 --instances 100 --rounds 5]

Nightly backups of many instances in chains of seven, every full one verified, in a SQLite file of
its own; each instance's schedule has a recovery window, weeks and months.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from bench.arguments import count
from scripts.state_folder import prepare_folder

if TYPE_CHECKING:
    from backups.models import BackupSchedule, Instance, Repository

# A full backup and six that go on from it, one from the other.
LINKS = 7
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backups", type=count, default=10_000)
    parser.add_argument("--instances", type=count, default=100)
    parser.add_argument("--rounds", type=count, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mooring-retention-") as folder:
        prepare_folder(Path(folder))
        os.environ |= {
            "MOORING_HOME": folder,
            "DJANGO_SETTINGS_MODULE": "monitor.settings",
            "MOORING_LOG_LEVEL": "WARNING",
        }
        os.environ.pop("DATABASE_URL", None)
        _set_up()
        fill(asked.instances, asked.backups // asked.instances)
        report(asked.rounds)
    return 0


def fill(instances: int, nights: int) -> None:
    """Write the rows of ``nights`` backups of each instance."""
    from django.db import transaction

    from backups.models import BackupSchedule, Instance, Repository

    with transaction.atomic():
        main = Repository.objects.create(name="main", path="/nowhere/main")
        for number in range(instances):
            instance = Instance.objects.create(name=f"shard-{number:04}")
            schedule = BackupSchedule.objects.create(
                name=f"nightly-{number:04}", cron="0 2 * * *", keep_for=30 * DAY, keep_weekly=6,
                keep_monthly=6,
            )  # fmt: skip
            _fill_one(instance, schedule, main, nights)


def _fill_one(instance: Instance, schedule: BackupSchedule, main: Repository, nights: int) -> None:
    from backups.models import Backup, BackupAncestor, BackupCopy, Evidence, Job, Occurrence

    chain: list[Backup] = []
    for night in range(nights):
        at = NOW - (nights - night) * DAY
        if night % LINKS == 0:
            chain = []
        occurrence = Occurrence.objects.create(
            schedule=schedule, instance=instance, due_at=at, starts_at=at, late_after=at,
            missed_after=at, status="succeeded",
        )  # fmt: skip
        job = Job.objects.create(
            operation="backup", instance=instance, kind="full", status="succeeded",
            occurrence=occurrence,
        )  # fmt: skip
        backup = Backup.objects.create(
            label=f"{instance.name}@{night:05}", instance=instance, made_by=job, engine="clone",
            kind="incremental" if chain else "full", base=chain[-1] if chain else None,
            started_at=at, ended_at=at,
        )  # fmt: skip
        BackupAncestor.objects.bulk_create(
            BackupAncestor(backup=backup, ancestor=ancestor, position=position)
            for position, ancestor in enumerate(chain)
        )
        copy = BackupCopy.objects.create(
            backup=backup, repository=main, path=backup.label, stored_bytes=2**30, pack_count=4
        )
        if not chain:
            Evidence.objects.create(copy=copy, operation="verify", passed=True)
        chain.append(backup)


def report(rounds: int) -> None:
    """Print the medians."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from backups.models import BackupCopy, Instance
    from backups.retention.expiry import expired_copies
    from backups.retention.verdicts import judge_copies

    with CaptureQueriesContext(connection) as queries:
        judged = judge_copies(NOW)
    going = sum(judgement.verdict.may_go for judgement in judged)
    print(
        f"{BackupCopy.objects.count():,} copies of {Instance.objects.count():,} instances, chains "
        f"of {LINKS}: {going:,} would go; {len(queries)} queries"
    )
    one = Instance.objects.latest("id").pk
    for what, work in (
        ("verdicts of all", lambda: judge_copies(NOW)),
        ("verdicts of one instance", lambda: judge_copies(NOW, [one])),
        ("what the tick would purge", lambda: expired_copies(NOW)),
    ):
        wall, busy = _medians(work, rounds)
        print(f"{what:28} {wall * 1000:8.1f} ms, {busy * 1000:8.1f} ms of processor time")


def _medians(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return seconds on the clock and of the processor; others may use the machine as well."""
    walls, busy = [], []
    for _ in range(rounds):
        begun, used = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - begun)
        busy.append(time.process_time() - used)
    return statistics.median(walls), statistics.median(busy)


def _set_up() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


if __name__ == "__main__":
    raise SystemExit(main())
