"""Drills on real servers: a backup restored, replayed to a random moment, everything checked."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import Backup, Drill, Evidence, Instance
from backups.programs.private_server import PrivateServer, ServerOptions, initialise
from backups.states import JobStatus, Operation
from tests.commands import run_command
from tests.live import clone_jobs
from tests.live.archiving import archive_files
from tests.live.faults import Place, make_place
from tests.live.mysql import PrivateMysql
from tests.live.server import LiveServer, free_port

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]
# Rows before the backup, and after it, each a transaction of a second of its own.
ROWS = "CREATE TABLE shop.rows_of_drills (id INT PRIMARY KEY AUTO_INCREMENT, note TEXT)"
ADD = "INSERT INTO shop.rows_of_drills (note) VALUES (REPEAT('x', 1000))"
SECONDS = 4


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, settings: Settings) -> None:
    settings.BINLOG_SPOOL = tmp_path / "binlogs"


@pytest.fixture
def mariadb_place(tmp_path: Path, settings: Settings) -> Iterator[Place]:
    initialise(tmp_path / "source")
    port = free_port()
    options = {"binlog-format": "ROW", "event-scheduler": "OFF"}
    server_settings = ServerOptions(port=port, binlog=True, server_id=1, options=options)
    with PrivateServer(tmp_path / "source", server_settings) as server:
        yield make_place(LiveServer(server, "127.0.0.1", port), tmp_path, settings)


def add_rows(server: LiveServer | PrivateMysql) -> None:
    """Add one row in each of the seconds that follow."""
    for _ in range(SECONDS):
        # A moment of MariaDB's is a whole second.
        time.sleep(1)
        server.execute(ADD)


def drilled(name: str, *words: str) -> Drill:
    """Drill, and return what was recorded."""
    ended = run_command("testrestore", name, *words, "--foreground", "--json")
    assert ended.exit_code == 0, ended.json()
    return Drill.objects.latest("pk")


def assert_proven(drill: Drill) -> None:
    """What was recorded is what the second pass over the tables saw."""
    assert (drill.passed, drill.failed_stage, drill.error) == (True, "", "")
    assert drill.range_from < drill.moment <= drill.range_to
    assert drill.last_commit_at is not None and drill.last_commit_at <= drill.moment
    assert drill.transactions is not None and 0 < drill.transactions <= SECONDS
    assert drill.job is not None and drill.replayed_bytes and drill.rate_bytes_per_s
    rows = {
        stage.name: int(stage.detail.rpartition("passed, ")[2].split()[0].replace(",", ""))
        for stage in drill.job.stages.filter(name__in=("check tables", "check at moment"))
    }
    more = rows["check at moment"] - rows["check tables"]
    # A replica notes what it applied in a few rows of its own.
    assert drill.transactions <= more <= drill.transactions + 5
    whole = sum(drill.stages[each] for each in ("extract", "prepare", "replay", "start at moment"))
    assert drill.recovery_time is not None
    assert drill.recovery_time.total_seconds() == pytest.approx(whole)
    evidence = Evidence.objects.get(job=drill.job)
    assert (evidence.passed, evidence.operation) == (True, Operation.RESTORE_TEST)
    assert_chained()


def assert_chained() -> None:
    """Every proof is in the chain of its instance, as it is read back from the database."""
    (chain,) = run_command("verifyevidence", "--json").json()["chains"]
    assert (chain["fault"], chain["checked"]) == (
        "",
        Evidence.objects.count() + Drill.objects.count(),
    )


def test_mariadb_to_a_random_moment_and_with_a_damaged_binlog(
    mariadb_place: Place, settings: Settings
) -> None:
    place = mariadb_place
    place.server.execute(ROWS)
    label = place.label()
    add_rows(place.server)
    instance = Backup.objects.get(label=label).instance
    archive_files(instance, place.main, place.server.folder)

    drill = drilled("orders-1", "--to-moment", "random")

    assert (drill.point, drill.copy.backup.label) == ("random", label)
    assert_proven(drill)
    scratch = Path(settings.SCRATCH_FOLDER)
    assert list(scratch.glob("restore-test-*")) == []

    # No check has found it yet: the next drill is the first to read it from the repository.
    shutil.rmtree(settings.BINLOG_SPOOL)
    for stored in Path(place.main.path).rglob("*.segment"):
        content = bytearray(stored.read_bytes())
        content[len(content) // 2] ^= 4
        stored.write_bytes(content)
    ended = run_command(
        "testrestore", "orders-1", "--to-moment", "newest", "--foreground", "--json"
    )

    assert ended.exit_code == 1, ended.json()
    assert ended.json()["error"].startswith("replay failed: ")
    failed = Drill.objects.latest("pk")
    assert (failed.point, failed.passed, failed.failed_stage) == ("newest", False, "replay")
    assert (failed.transactions, failed.recovery_time) == (None, None)
    assert Evidence.objects.get(job=failed.job).passed
    assert list(scratch.glob("restore-test-*")) == []
    assert failed.job is not None and failed.job.status == JobStatus.FAILED
    assert_chained()


def test_mysql_to_a_random_moment(tmp_path: Path, settings: Settings) -> None:
    options = {"log-bin": "binlog", "gtid-mode": "ON", "enforce-gtid-consistency": "ON"}
    with PrivateMysql(tmp_path / "source", options) as donor:
        donor.execute(*clone_jobs.USER)
        donor.execute("CREATE DATABASE shop", ROWS)
        main = clone_jobs.make_main(tmp_path, settings)
        instance: Instance = clone_jobs.add_instance(donor)
        label = clone_jobs.taken()
        add_rows(donor)
        archive_files(instance, main, donor.folder)
    # The position of a clone is known once a copy of it was prepared; until then the range has
    # no backup, and the backup alone is tested.
    words = ("--to-moment", "newest", "--foreground", "--json")
    ended = run_command("testrestore", label, *words)
    assert ended.exit_code == 0, ended.json()
    assert not Drill.objects.exists()

    drill = drilled("bank-1", "--to-moment", "random")

    assert drill.copy.backup.label == label
    assert drill.last_gtid
    assert_proven(drill)
