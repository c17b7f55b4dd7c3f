"""Is the time of a restore to a moment predicted well? python -m bench.binlog_recovery

A server of each product is filled and backed up, and writes binlogs; then one restore after the
other goes to a moment, each predicted from those before it, as its plan shows it. The first three
are measured only. MySQL needs MOORING_TEST_MYSQL.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.arguments import count
from bench.bank import SCHEMA
from bench.measure import BenchError
from scripts.state_folder import prepare_folder

if TYPE_CHECKING:
    from backups.models import Instance, Job, Repository

UNPREDICTED = 3
ROWS = 300
# Of the binlogs behind the backup, one after the other: how much of their time.
SHARES = (0.3, 1.0, 0.6, 0.8, 0.2, 0.9, 0.5, 0.7, 0.4, 1.0, 0.1, 0.95)
FILLER = "CREATE TABLE bank.filler (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(4000))"
FILL = (
    "INSERT INTO bank.filler (note) WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 "
    f"FROM n WHERE id < {ROWS}) SELECT REPEAT(SHA2(RAND(), 512), 31) FROM n"
)
HASTY = {"innodb-flush-log-at-trx-commit": "0", "sync-binlog": "0", "max-binlog-size": "32M"}
# Any: SQL's values.
Execute = Callable[..., list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class PredictedRestore:
    """What a plan said, and what the restore then took."""

    share: float
    replayed_bytes: int
    measured: timedelta
    predicted: timedelta | None
    low: timedelta | None
    high: timedelta | None

    @property
    def ratio(self) -> float | None:
        return self.predicted / self.measured if self.predicted is not None else None

    def line(self) -> str:
        seconds = self.measured.total_seconds()
        start = f"  {self.replayed_bytes / 1e6:6.1f} MB replayed, {seconds:5.1f} s"
        if self.predicted is None or self.low is None or self.high is None or self.ratio is None:
            return f"{start}, not predicted"
        inside = "inside" if self.low <= self.measured <= self.high else "outside"
        return (
            f"{start}, predicted {self.predicted.total_seconds():5.1f} s "
            f"({self.low.total_seconds():.1f} to {self.high.total_seconds():.1f}, {inside}), "
            f"ratio {self.ratio:.2f}, load {os.getloadavg()[0]:.1f}"
        )


@contextmanager
def mariadb_server(folder: Path) -> Iterator[tuple[Execute, int]]:
    from backups.programs.private_server import PrivateServer, ServerOptions, initialise
    from tests.live.server import LiveServer, free_port

    initialise(folder)
    options = {"binlog-format": "ROW", "event-scheduler": "OFF", **HASTY}
    port = free_port()
    settings = ServerOptions(port=port, binlog=True, server_id=1, options=options)
    with PrivateServer(folder, settings) as server:
        yield LiveServer(server, "127.0.0.1", port).execute, port


@contextmanager
def mysql_server(folder: Path) -> Iterator[tuple[Execute, int]]:
    from tests.live.mysql import PrivateMysql

    options = {"log-bin": "binlog", "gtid-mode": "ON", "enforce-gtid-consistency": "ON", **HASTY}
    with PrivateMysql(folder, options) as server:
        yield server.execute, server.port


def restore_to_moments(
    folder: Path, product: str, wanted_mb: int, data_mb: int, restores: int
) -> list[PredictedRestore]:
    """Fill, back up, write, and restore so many times."""
    serve = mariadb_server if product == "MariaDB" else mysql_server
    with serve(folder / "source") as (execute, port):
        execute(*SCHEMA, FILLER, *[FILL] * max(1, data_mb * 1024 * 1024 // (ROWS * 4000)))
        instance, main = _set_up_instance(folder, product, execute, port)
        run("takebackup", instance.name)
        if product == "MySQL":
            # Its position is known once a copy was prepared.
            run("testrestore", instance.backups.get().label)
        source = folder / "source"
        before, began = _binlog_bytes(source), datetime.now(UTC)
        while _binlog_bytes(source) - before < wanted_mb * 10**6:
            execute("CALL bank.write_some(2000)")
    from tests.live.archiving import archive_files

    archive_files(instance, main, folder / "source")
    target = folder / "restored"
    return [_restore(instance, began, share, target) for share in SHARES[:restores]]


def _binlog_bytes(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.glob("binlog.0*"))


def _set_up_instance(
    folder: Path, product: str, execute: Execute, port: int
) -> tuple[Instance, Repository]:
    from django.conf import settings

    from backups.instances.grants import NEEDED
    from backups.models import Instance, Repository

    name = f"bank-{product.lower()}"
    rights = ", ".join(NEEDED)
    if product == "MySQL":
        from tests.live.mysql import program

        settings.MYSQLD = program("mysqld")
        rights = "BACKUP_ADMIN, PROCESS, REFERENCES"
        execute("INSTALL PLUGIN clone SONAME 'mysql_clone.so'")
    execute("CREATE USER bench@'127.0.0.1' IDENTIFIED BY 'not a secret'",
            f"GRANT {rights} ON *.* TO bench@'127.0.0.1'")  # fmt: skip
    password = folder / "password"
    password.write_text("not a secret")
    run("addinstance", name, "--port", str(port), "--user", "bench", "--password-file",
        str(password), follow=False)  # fmt: skip
    run("addrepository", name, "--path", str(folder / "repository"), follow=False)
    return Instance.objects.get(name=name), Repository.objects.get(name=name)


def _restore(instance: Instance, began: datetime, share: float, target: Path) -> PredictedRestore:
    import shutil

    from django.conf import settings

    from backups.binlog_archive.recovery.goals import RecoveryGoal
    from backups.binlog_archive.recovery.starts import choose_copy
    from backups.models import Job
    from backups.restores.plan import PlannedRestore, plan_restore
    from backups.states import Operation

    moment = _moment(instance, began, share)
    goal = RecoveryGoal(moment)
    copy = choose_copy(instance, goal, None)
    plan = plan_restore(PlannedRestore(copy, target, goal=goal), settings.MYSQLD)
    if plan.recovery is None or plan.refused:
        raise BenchError(f"the plan was refused: {plan.refused}")
    run("restorebackup", instance.name, "--to", str(target), "--until", f"{moment:%F %T.%f} UTC")
    job: Job = Job.objects.filter(operation=Operation.RESTORE).latest("pk")
    shutil.rmtree(target)
    done = Job.objects.filter(operation=Operation.RESTORE, instance=instance).count()
    prediction = plan.estimate.prediction if done > UNPREDICTED else None
    taken = job.run_time(datetime.now(moment.tzinfo))
    assert taken is not None
    found = PredictedRestore(
        share,
        plan.recovery.bytes_total,
        taken,
        prediction.middle if prediction else None,
        prediction.low if prediction else None,
        prediction.high if prediction else None,
    )
    print(found.line(), flush=True)
    return found


def _moment(instance: Instance, began: datetime, share: float) -> datetime:
    from backups.binlog_archive.recovery.coverage import ranges_of

    (span,) = ranges_of(instance)
    return began + (span.to_at - began) * share


def run(command: str, *words: str, follow: bool = True) -> None:
    from tests.commands import run_command

    ended = run_command(command, *words, *(["--foreground"] if follow else []))
    if ended.exit_code:
        raise BenchError(f"{command} ended with {ended.exit_code}: {ended.stdout}{ended.stderr}")


def report(product: str, found: Sequence[PredictedRestore]) -> str:
    """Return the ratios of those that were predicted."""
    ratios = sorted(each.ratio for each in found if each.ratio is not None)
    if not ratios:
        return f"{product}: none was predicted"
    near = sum(1 for ratio in ratios if abs(ratio - 1) <= 0.3)
    return (
        f"{product}: predicted ÷ measured {ratios[0]:.2f} to {ratios[-1]:.2f}, median "
        f"{statistics.median(ratios):.2f}; {near} of {len(ratios)} within 30 %"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binlog-mb", type=count, default=60)
    parser.add_argument("--data-mb", type=count, default=300)
    parser.add_argument("--restores", type=count, default=len(SHARES))
    parser.add_argument("--only", choices=["MariaDB", "MySQL"])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mooring-recovery-") as name:
        _set_up(Path(name))
        for product in [asked.only] if asked.only else ["MariaDB", "MySQL"]:
            print(f"{product}: {asked.data_mb} MB of rows, {asked.binlog_mb} MB of binlogs")
            folder = Path(name) / product
            folder.mkdir()
            found = restore_to_moments(
                folder, product, asked.binlog_mb, asked.data_mb, min(asked.restores, len(SHARES))
            )
            print(report(product, found), flush=True)
    return 0


def _set_up(folder: Path) -> None:
    """Have a Mooring of its own, in this process."""
    prepare_folder(folder)
    os.environ |= {
        "MOORING_HOME": str(folder),
        "DJANGO_SETTINGS_MODULE": "monitor.settings",
        "MOORING_LOG_LEVEL": "ERROR",
    }
    os.environ.pop("DATABASE_URL", None)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    run("createbackupkey", follow=False)


if __name__ == "__main__":
    sys.exit(main())
