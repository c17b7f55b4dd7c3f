"""A copy keeps to the pace that its instance bears, whatever this machine can do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import pymysql
import pytest
from django.db import connection
from pytest_django import Settings

from backups.executor.execute import execute
from backups.instances.grants import NEEDED
from backups.models import Backup, Instance, Job, JobLogLine, JobSample
from backups.models.schedule import AtWindowEnd
from backups.pacing.facts import PaceFacts
from backups.pacing.reasons import PaceReason
from backups.pacing.sources import HISTOGRAM_TABLE
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.states import OccurrenceStatus
from tests.backups.planning import HOUR, T0, make_schedule, only, tick
from tests.commands import run_command
from tests.live.clone_jobs import USER, account_words, make_main
from tests.live.midway import Midway, has_copied
from tests.live.mysql import PrivateMysql
from tests.live.server import free_port, new_mariadb
from tests.settings import TEST_HOME

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

PASSWORD = "keep-pace"
MIB = 1 << 20
# A statement before the copy, and one during it that a busy server made slow.
# On a busy machine the quick ones take some hundred milliseconds; the target is five times that.
QUICK, SLOW = "DO SLEEP(0.01)", "DO SLEEP(2)"
# A copy takes several seconds at these, and a slowed one not many more: a MariaDB is smaller.
LIMIT, DONOR_LIMIT = 4 * MIB, 12 * MIB
# At the end of a window.
SLOWED = 5 * MIB


# 26 MB.
FILL = "INSERT INTO shop.event (t) SELECT REPEAT(SHA2(seq, 512), 512) FROM seq_1_to_400"
# Writes a redo log of 16 MB full in a few seconds.
WRITE = "INSERT INTO shop.event (t) SELECT REPEAT(SHA2(RAND(), 512), 1024)"
WRITES_PER_S = 15


class Sleepers:
    """Sessions of an application whose statements take as long as they are set to."""

    def __init__(self, connect: Callable[[], pymysql.Connection], count: int = 4) -> None:
        self.statement, self.pause = QUICK, 0.0
        self._connect, self._over = connect, threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(count)]

    def slow(self) -> None:
        self.statement = SLOW

    def __enter__(self) -> Sleepers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        with self._connect() as session, session.cursor() as cursor:
            while not self._over.is_set():
                cursor.execute(self.statement)
                self._over.wait(self.pause)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    folder = tmp_path_factory.mktemp("shop") / "data"
    new_mariadb(folder)
    options = {"innodb-log-file-size": "16M", "innodb-flush-log-at-trx-commit": "2"}
    with PrivateServer(folder, ServerOptions(port=free_port(), options=options)) as server:
        with server.connect() as root, root.cursor() as cursor:
            cursor.execute("CREATE USER bk@'127.0.0.1' IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute(f"GRANT {', '.join(NEEDED)} ON *.* TO bk@'127.0.0.1'")
            cursor.execute("CREATE DATABASE shop")
            cursor.execute("USE shop")
            cursor.execute(
                "CREATE TABLE shop.event (id INT AUTO_INCREMENT PRIMARY KEY, t LONGTEXT)"
            )
            cursor.execute(FILL)
        yield server


@pytest.fixture(scope="module")
def donor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMysql]:
    folder = tmp_path_factory.mktemp("donor") / "data"
    with PrivateMysql(folder, {"skip-log-bin": ""}) as server:
        server.execute(*USER)
        yield server


@pytest.fixture
def main(tmp_path: Path, settings: Settings) -> None:
    settings.PACE_FACTOR, settings.THROTTLE_BYTES_PER_S = 5, LIMIT
    make_main(tmp_path, settings)


@pytest.fixture
def donated(main: None, settings: Settings) -> None:
    settings.THROTTLE_BYTES_PER_S, settings.PACE_LONGEST = DONOR_LIMIT, 2


def add_shop(server: PrivateServer) -> None:
    file = Path(TEST_HOME) / "given-password"
    file.write_text(PASSWORD)
    words = ["--port", str(server.settings.port), "--user", "bk", "--password-file", str(file)]
    assert run_command("addinstance", "shop", *words).exit_code == 0


def add_donor(server: PrivateMysql) -> None:
    with account_words(server) as words:
        assert run_command("addinstance", "shop", *words).exit_code == 0


def taken() -> PaceFacts:
    """Take a backup and return what it cost."""
    ended = run_command("takebackup", "shop", "--foreground", "--json")
    assert ended.exit_code == 0, f"{ended.json()['error']}\n{said()}"
    facts = PaceFacts.read(Backup.objects.latest("id").pace)
    assert facts is not None
    return facts


def sessions_of(user: str, server: PrivateServer) -> int:
    sql = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = %s"
    with server.connect() as root, root.cursor() as cursor:
        cursor.execute(sql, (user,))
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def said() -> str:
    return "\n".join(JobLogLine.objects.filter(source="pace").values_list("text", flat=True))


def is_watched() -> bool:
    """Whether it copies, and the time before it was seen."""
    return has_copied() and "before the copy" in said()


def assert_slowed(facts: PaceFacts, measure: str, limit: int) -> None:
    assert (facts.measure, facts.unknown_s) == (measure, 0)
    assert facts.p99_before_ms is not None
    assert facts.p99_during_ms is not None
    assert facts.target_ms is not None
    assert facts.p99_before_ms < facts.target_ms < facts.p99_during_ms, said()
    assert facts.lowest_bytes_per_s is not None
    assert facts.lowest_bytes_per_s < limit, said()
    assert f"{measure} " in said()
    assert ", target " in said()
    slowed = JobSample.objects.filter(pace_reason__in=[PaceReason.LATENCY, PaceReason.LONGEST])
    assert slowed.filter(pace_p99_ms__gt=0).exists()


def test_slow_statements_slow_the_copy_of_a_mariadb(shop: PrivateServer, main: None) -> None:
    add_shop(shop)
    with Sleepers(shop.connect) as sleepers, Midway(sleepers.slow, reached=is_watched):
        assert_slowed(taken(), "p99", LIMIT)


def test_slow_statements_slow_the_clone_of_a_mysql(donor: PrivateMysql, donated: None) -> None:
    add_donor(donor)
    with Sleepers(donor.connect) as sleepers, Midway(sleepers.slow, reached=is_watched):
        assert_slowed(taken(), "mean", DONOR_LIMIT)
    assert f"GRANT SELECT ON {HISTOGRAM_TABLE}" in said()
    # The donor waited; nothing of it went to the disk.
    assert Backup.objects.get().facts["spilled_bytes"] == "0"


def test_with_one_privilege_more_the_p99_of_a_mysql_is_measured(
    donor: PrivateMysql, donated: None
) -> None:
    donor.execute(f"GRANT SELECT ON {HISTOGRAM_TABLE} TO bk@'127.0.0.1'")
    add_donor(donor)
    with Sleepers(donor.connect) as sleepers, Midway(sleepers.slow, reached=is_watched):
        assert_slowed(taken(), "p99", DONOR_LIMIT)
    donor.execute(f"REVOKE SELECT ON {HISTOGRAM_TABLE} FROM bk@'127.0.0.1'")
    assert "GRANT" not in said()


def test_an_idle_instance_is_read_at_full_speed(
    shop: PrivateServer, main: None, settings: Settings
) -> None:
    settings.THROTTLE_BYTES_PER_S = 0
    add_shop(shop)
    facts = taken()
    assert (facts.limited_s, facts.lowest_bytes_per_s, facts.main_reason) == (0, None, "")
    assert "the instance was idle before the copy" in said()
    # Nothing of the probe is left there.
    until = time.monotonic() + 10
    while sessions_of("bk", shop):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_limit_by_hand_holds_at_once(shop: PrivateServer, main: None, settings: Settings) -> None:
    # At this limit it would take longer than a test may.
    settings.THROTTLE_BYTES_PER_S = MIB // 8
    add_shop(shop)

    def set_by_hand() -> None:
        Job.objects.update(pace_limit=0)
        connection.close()

    with Midway(set_by_hand):
        taken()
    job = Job.objects.get()
    assert job.pace_bytes_per_s is None
    assert "full speed, as requested" in said()
    assert JobSample.objects.count() < 12


class Writer(Sleepers):
    """One session that writes redo."""

    def __init__(self, connect: Callable[[], pymysql.Connection]) -> None:
        super().__init__(connect, 1)
        self.statement = WRITE
        self.pause = 1 / WRITES_PER_S


def test_a_copy_that_is_slowed_does_not_lose_its_redo(
    shop: PrivateServer, main: None, settings: Settings
) -> None:
    # So slow that the log would be overwritten several times before the copy ends.
    settings.PACE_FACTOR, settings.THROTTLE_BYTES_PER_S = 0, 2 * MIB
    add_shop(shop)
    with Writer(shop.connect):
        facts = taken()
    assert facts.redo_lifted >= 1, said()
    assert facts.redo_worst_share is not None
    assert "the redo log of 16.0 MiB is too small to slow the copy down" in said()


def test_a_run_that_outlasts_its_window_is_slowed(
    shop: PrivateServer, main: None, settings: Settings
) -> None:
    # Without the limit of the window it would be copied in three seconds.
    settings.PACE_FACTOR, settings.THROTTLE_BYTES_PER_S = 0, 8 * MIB
    add_shop(shop)
    make_schedule(
        Instance.objects.get(), window=HOUR, at_window_end=AtWindowEnd.SLOW, slow_bytes_per_s=SLOWED
    )
    tick(T0)
    job = only().job
    assert job is not None
    with Midway(lambda: tick(T0 + HOUR)):
        assert execute(job)
    run = only()
    assert (run.reason, run.detail.endswith("limited to 5.0 MiB/s")) == ("window_slowed", True)
    facts = PaceFacts.read(Backup.objects.get().pace)
    assert facts is not None
    assert (facts.lowest_bytes_per_s, facts.redo_lifted) == (SLOWED, 0), said()
    assert "limited to 5.0 MiB/s" in said()
    tick(T0 + 2 * HOUR)
    assert only().status == OccurrenceStatus.SUCCEEDED
