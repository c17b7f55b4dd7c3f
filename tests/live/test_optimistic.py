"""Quiet tables are copied before the tool runs, and something happens to them at each moment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from backups.archive.records import FileOpened, Record
from backups.engines.base import CopyFacts, CopyRequest, Login
from backups.engines.mariadb_backup import MariadbBackup, MariadbDetails, options
from backups.engines.mariadb_backup.log import FILE_COPY
from backups.engines.mariadb_backup.options import QUIET_TABLES, MariadbOptions
from backups.engines.mariadb_backup.quiet import FileMark, choose_quiet
from backups.engines.mariadb_backup.quiet_files import look_at
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.runners import LocalRunner
from tests.live.observer import Diary
from tests.live.preparing import prepare_folder
from tests.live.server import LiveServer, new_mariadb
from tests.live.test_mariadb_backup_engine import write_out

pytestmark = pytest.mark.live

NAMES = (
    *("early", "before", "started", "later", "first", "second", "a-b"),
    # Each of these is changed by one test only.
    *("altered", "emptied", "one", "other", "again", "forced", "dropped", "guarded", "moved"),
    *("imported", "exported"),
)
TABLES = tuple(f"shop.`{name}`" for name in NAMES)
ROWS = "INSERT INTO {} SELECT seq, REPEAT(MD5(seq), 4) FROM seq_1_to_2000"
# More than the pipe and the tool's buffers hold: it cannot get ahead of us.
BUSY = (
    "CREATE TABLE shop.busy (id INT PRIMARY KEY AUTO_INCREMENT, t LONGTEXT) ENGINE=InnoDB",
    "INSERT INTO shop.busy (t) SELECT REPEAT('x', 1000000) FROM seq_1_to_40",
)
# What is changed is written to its file at once, and never in the middle of a later test.
FLUSHING = {"innodb-max-dirty-pages-pct": "0"}
DIRTY = "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'"
Act = Callable[[], object]


@pytest.fixture(autouse=True)
def _quiet_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "LEAST_AGE_SECONDS", 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("quiet") / "data"
    new_mariadb(folder)
    with PrivateServer(folder, ServerOptions(binlog=True, options=FLUSHING)) as private:
        live = LiveServer(private, "127.0.0.1", 0)
        live.execute("CREATE DATABASE shop", "USE shop", *BUSY)
        live.execute("CREATE TABLE shop.visits (id INT) ENGINE=Aria AS SELECT 1 id")
        for table in TABLES:
            live.execute(
                "USE shop",
                f"CREATE TABLE {table} (id INT PRIMARY KEY, note TEXT)",
                ROWS.format(table),
            )
        write_through(live, *TABLES)
        yield live


def write_through(server: LiveServer, *tables: str) -> None:
    """Have the server write what it has of tables to their files."""
    server.execute(f"FLUSH TABLES {', '.join(tables)} FOR EXPORT", "UNLOCK TABLES")


def count_quiet(server: LiveServer) -> int:
    looks = look_at(server.folder, ["shop"])
    return len(choose_quiet(looks, now_ns=time.time_ns(), age_seconds=1, busy=("shop.busy",)))


def write_to(server: LiveServer, table: str) -> None:
    server.execute(f"UPDATE {table} SET note = REVERSE(note)")
    write_through(server, table)


def await_quiet(server: LiveServer) -> int:
    """Wait until nothing is left to write; return how many tables are quiet."""
    deadline = time.monotonic() + 30
    while server.execute(DIRTY)[0][1] != "0":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return await_age(server)


def await_age(server: LiveServer) -> int:
    """Wait until every file is as old as that of a quiet table; return how many are quiet."""
    deadline = time.monotonic() + 30
    files = [path for path in (server.folder / "shop").iterdir() if "busy" not in path.name]
    while max(FileMark.of(path.stat()).changed_ns for path in files) > time.time_ns() - 1.1e9:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return count_quiet(server)


class Eventful(Diary):
    """Acts before the tool starts, and when it has started and cannot go on meanwhile."""

    def __init__(self, *, before: Act | None = None, started: Act | None = None) -> None:
        super().__init__()
        self._before, self._started = before, started

    def stage_ended(
        self, name: str, at: datetime, *, lock_time: timedelta | None = None, detail: str = ""
    ) -> None:
        super().stage_ended(name, at, lock_time=lock_time, detail=detail)
        if name == QUIET_TABLES and self._before:
            self._before()

    def process_started(self, group: int, started: float) -> None:
        super().process_started(group, started)
        act, self._started = self._started, None
        if act:
            os.killpg(group, signal.SIGSTOP)
            act()
            os.killpg(group, signal.SIGCONT)


def take(
    server: LiveServer,
    folder: Path,
    diary: Diary,
    *,
    reading: Act | None = None,
    copying: Act | None = None,
    waiting: bool = True,
) -> tuple[MariadbDetails, int]:
    """Copy to a folder. Act as the first quiet table is read, and once the tool copies.

    Return what the copy says, and how many tables were not quiet in the end.
    """
    asked = MariadbOptions(
        optimistic=True, optimistic_seconds=1, optimistic_busy_tables="shop.busy"
    )
    login = Login(server.user, "", socket=server.socket)
    quiet = await_quiet(server) if waiting else await_age(server)
    request = CopyRequest(login, LocalRunner(), asked, threads=2, data_folder=str(server.folder))

    def eventful(records: Iterator[Record]) -> Iterator[Record]:
        acts = {"shop/early.ibd": reading, "shop/busy.ibd": copying}
        for record in records:
            yield record
            if isinstance(record, FileOpened) and (act := acts.pop(record.path, None)):
                assert record.path != "shop/busy.ibd" or diary.began(FILE_COPY)
                act()

    with MariadbBackup().copy(request, diary) as copy:
        write_out(eventful(copy.records()), folder)
        details = details_of(copy.facts())
    return details, quiet - (details.quiet_tables or 0)


def details_of(facts: CopyFacts) -> MariadbDetails:
    assert isinstance(facts.details, MariadbDetails)
    assert facts.details.partial is False
    return facts.details


def assert_same(server: LiveServer, folder: Path) -> None:
    """A server on the prepared copy has all tables, whole, with the rows of the source."""
    prepare_folder(folder)
    with PrivateServer(folder, ServerOptions()) as private:
        restored = LiveServer(private, "127.0.0.1", 0)
        listing = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'shop'"
        names = sorted(name for (name,) in server.execute(listing))
        assert sorted(name for (name,) in restored.execute(listing)) == names
        tables = ", ".join(f"shop.`{name}`" for name in names)
        verdicts = restored.execute(f"CHECK TABLE {tables} EXTENDED")
        assert [row for row in verdicts if row[3] != "OK"] == []
        checksums = f"CHECKSUM TABLE {tables}"
        assert restored.execute(checksums) == server.execute(checksums)


def test_what_is_written_after_the_checkpoint_comes_by_redo(
    server: LiveServer, tmp_path: Path
) -> None:
    diary = Eventful()
    details, woken = take(server, tmp_path, diary, copying=lambda: write_to(server, "shop.later"))
    assert (details.optimistic, details.late_attempts) == (True, 0)
    assert woken == 0
    assert list(diary.started)[:2] == [QUIET_TABLES, FILE_COPY]
    assert_same(server, tmp_path)


@pytest.mark.parametrize("table", ["early", "before"])
def test_a_table_that_wakes_before_the_tool_is_left_to_it(
    server: LiveServer, tmp_path: Path, table: str
) -> None:
    def wake() -> None:
        write_to(server, f"shop.{table}")

    early = table == "early"
    diary = Eventful(before=None if early else wake)
    details, woken = take(server, tmp_path, diary, reading=wake if early else None)
    assert (details.optimistic, details.late_attempts) == (True, 0)
    assert woken == 1
    assert len(diary.processes) == 1
    assert_same(server, tmp_path)


def test_a_table_that_wakes_before_the_checkpoint_costs_an_attempt(
    server: LiveServer, tmp_path: Path
) -> None:
    diary = Eventful(started=lambda: write_to(server, "shop.started"))
    details, woken = take(server, tmp_path, diary)
    assert (details.optimistic, details.late_attempts) == (True, 1)
    assert woken == 1
    assert len(diary.processes) == 2
    assert "shop.started changed before the engine had its checkpoint" in diary.said()
    assert_same(server, tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE shop.altered ADD COLUMN more INT DEFAULT 7",
        "TRUNCATE TABLE shop.emptied",
        "RENAME TABLE shop.one TO shop.x, shop.other TO shop.one, shop.x TO shop.other",
        "CREATE OR REPLACE TABLE shop.again (id INT PRIMARY KEY) AS SELECT 4711 id",
        "ALTER TABLE shop.forced FORCE",
        "DROP TABLE shop.dropped",
        "CREATE TRIGGER shop.t BEFORE INSERT ON shop.guarded FOR EACH ROW SET NEW.id = 1",
        "ALTER TABLE shop.moved ENGINE=Aria",
    ],
)
def test_another_table_under_a_quiet_ones_name_costs_an_attempt(
    server: LiveServer, tmp_path: Path, statement: str
) -> None:
    diary = Eventful()
    details, woken = take(server, tmp_path, diary, copying=lambda: server.execute(statement))
    assert (details.optimistic, details.late_attempts) == (True, 1), diary.said()
    assert woken >= 1
    assert "became other tables while the engine copied" in diary.said()
    assert len(diary.processes) == 2
    assert_same(server, tmp_path)


def test_an_imported_tablespace_costs_an_attempt(server: LiveServer, tmp_path: Path) -> None:
    """The file may get the inode number of the one before, and its rows are in no redo log."""
    shop, aside = server.folder / "shop", tmp_path / "exported.ibd"
    server.execute("UPDATE shop.exported SET note = 'imported'")
    write_through(server, "shop.exported")
    aside.write_bytes((shop / "exported.ibd").read_bytes())

    def import_it() -> None:
        server.execute("ALTER TABLE shop.imported DISCARD TABLESPACE")
        (shop / "imported.ibd").write_bytes(aside.read_bytes())
        server.execute("ALTER TABLE shop.imported IMPORT TABLESPACE")

    diary = Eventful()
    details, woken = take(server, tmp_path / "copy", diary, copying=import_it)
    assert (details.optimistic, details.late_attempts, woken) == (True, 1, 1), diary.said()
    assert "shop.imported became other tables while the engine copied" in diary.said()
    # The tool itself loses a table that was discarded since its checkpoint.
    server.execute("DROP TABLE shop.imported")


def test_definitions_that_changed_since_the_checkpoint_do_no_harm(
    server: LiveServer, tmp_path: Path
) -> None:
    """Tables are quiet again, and the redo log still has that they were made otherwise."""
    server.execute("SET GLOBAL innodb_max_dirty_pages_pct = 90")
    try:
        server.execute(
            "USE shop",
            "UPDATE shop.busy SET t = REVERSE(t) WHERE id = 1",
            "TRUNCATE TABLE shop.emptied",
            ROWS.format("shop.emptied"),
            "RENAME TABLE shop.one TO shop.x, shop.other TO shop.one, shop.x TO shop.other",
            "CREATE TABLE shop.made (id INT PRIMARY KEY) AS SELECT seq id FROM seq_1_to_500",
            "RENAME TABLE shop.made TO shop.named",
            "ALTER TABLE shop.forced FORCE",
            "CREATE TABLE shop.gone LIKE shop.named",
            "DROP TABLE shop.gone",
        )
        await_age(server)
        details, _ = take(server, tmp_path, Eventful(), waiting=False)
        assert details.optimistic is True
        assert_same(server, tmp_path)
    finally:
        server.execute(
            "SET GLOBAL innodb_max_dirty_pages_pct = 0", "DROP TABLE IF EXISTS shop.named"
        )


def test_a_table_that_wakes_in_each_attempt_ends_in_a_normal_copy(
    server: LiveServer, tmp_path: Path
) -> None:
    names = iter(("shop.first", "shop.second"))

    class Restless(Eventful):
        def process_started(self, group: int, started: float) -> None:
            if name := next(names, ""):
                self._started = lambda: write_to(server, name)
            super().process_started(group, started)

    diary = Restless()
    details, _ = take(server, tmp_path, diary)
    assert (details.optimistic, details.quiet_tables, details.late_attempts) == (False, 0, 2)
    assert len(diary.processes) == 3
    assert_same(server, tmp_path)
