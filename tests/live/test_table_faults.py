"""What breaks while tables are restored into an instance, on both products.

After each fault: no table under its own name that is not whole, nothing left over once the server
answers, an error that says what failed and what to do, and the same command then works.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest
from django.db import connections
from django.utils.timezone import now
from pymysql.connections import Connection
from pytest_django import Settings

from backups.executor.leftovers import clear_up_here, remove_leftovers_of_host
from backups.instances.grants import NEEDED_TO_MAKE_TABLES
from backups.models import Job, JobLogLine, JobStage, Repository
from backups.programs.private_server import PrivateServer
from backups.stages.table_restore import STAGES
from backups.states import JobStatus, Operation, StageStatus
from backups.table_restores import naming, target, transfer
from backups.table_restores.target import run
from tests.commands import Ended, run_command
from tests.live.clone_jobs import make_main, taken
from tests.live.faults import before, fill, small_disk
from tests.live.held import hold
from tests.live.mooring_site import wait_until
from tests.live.table_kinds import NOTE, NUMBERS
from tests.live.two_products import PRODUCTS, Product, serving

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

ROWS = 512
SETUP = (
    "CREATE DATABASE shop",
    "CREATE DATABASE other",
    *NUMBERS,
    "CREATE TABLE shop.orders (id INT PRIMARY KEY, note VARCHAR(200))",
    f"INSERT INTO shop.orders SELECT n, {NOTE} FROM shop.numbers",
    "CREATE TABLE shop.parents (id INT PRIMARY KEY)",
    "INSERT INTO shop.parents SELECT n FROM shop.numbers",
    "CREATE TABLE shop.lines (id INT PRIMARY KEY, parent INT REFERENCES parents (id),"
    " FOREIGN KEY (parent) REFERENCES parents (id))",
    "INSERT INTO shop.lines SELECT n, n FROM shop.numbers",
)
PRESENT = {"numbers", "orders", "parents", "lines"}
# A table that the instance lacks: a MySQL takes it by its files.
INTO = ("--table", "shop.gone", "--as", "other.orders", "--to-instance", "bank-1")
REPLACING = ("--table", "shop.orders", "--to-instance", "bank-1", "--replace")


@pytest.fixture(scope="module", params=PRODUCTS)
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """A server whose data folder is on a disk that can be full."""
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path_factory.mktemp("faults") / "disk", "600m"))
        product = stack.enter_context(serving(request.param, disk / "data", binlog=False))
        rights = ", ".join(NEEDED_TO_MAKE_TABLES)
        product.run(
            *SETUP, *(f"GRANT {rights} ON {name}.* TO bk@'127.0.0.1'" for name in ("shop", "other"))
        )
        yield product


@pytest.fixture
def main(tmp_path: Path, settings: Settings) -> Repository:
    settings.DEFINITIONS_SECONDS = 60
    return make_main(tmp_path, settings)


@pytest.fixture
def label(product: Product, main: Repository) -> str:
    """A backup that has a table more than the server, where nothing is left of another test."""
    product.run(
        "DROP DATABASE other", "CREATE DATABASE other", "CREATE TABLE shop.gone LIKE shop.orders"
    )
    product.run("INSERT INTO shop.gone SELECT * FROM shop.orders")
    product.add()
    label = taken()
    product.run("DROP TABLE shop.gone")
    return label


def restore(label: str, *words: str) -> Ended:
    return run_command("restoretable", label, "--foreground", "--json", *words)


def tables(product: Product, schema: str) -> set[str]:
    return {row[0] for row in product.run(f"SHOW TABLES FROM {schema}")}


def waiting_for_lock(begin: str) -> str:
    return (
        "SELECT ID FROM information_schema.PROCESSLIST "
        f"WHERE STATE LIKE 'Waiting for table metadata lock' AND INFO LIKE '{begin}%'"
    )


def revive(product: Product) -> None:
    """Start the server again where a full disk has ended it."""
    try:
        product.connect().close()
    except pymysql.Error:
        product.kill()
        product.start()


def assert_failed(ended: Ended, stage: str, *said: str) -> None:
    """It says what failed and what to do, and nothing unexpected."""
    fields = ended.json()
    job = Job.objects.latest("id")
    assert (fields["status"], job.failed_stage) == ("failed", stage), fields
    assert fields["hint"], fields["error"]
    for text in said:
        assert text in f"{fields['error']} {fields['hint']}", (fields["error"], fields["hint"])
    for line in JobLogLine.objects.filter(job=job).values_list("text", flat=True):
        assert "Traceback" not in line and "unexpected" not in line, line


def assert_cleared(product: Product, settings: Settings) -> None:
    """Nothing is left, of no job, and the tables that were there are as they were."""
    assert not Job.objects.filter(leftovers=True).exists()
    assert not Job.objects.exclude(exclusive_key=None).exists()
    assert tables(product, "shop") == PRESENT
    assert product.run("SELECT COUNT(*) FROM shop.orders") == [(ROWS,)]
    assert tables(product, "other") == set()
    files = {path.name for path in (product.folder / "other").iterdir()}
    assert files <= {"db.opt"}
    assert list(Path(settings.SCRATCH_FOLDER).glob("*")) == []


def assert_works(product: Product, label: str, words: tuple[str, ...] = INTO) -> None:
    """The same command, once more."""
    ended = restore(label, *words)
    assert ended.exit_code == 0, ended.json()
    name = words[words.index("--as") + 1] if "--as" in words else words[1]
    assert product.run(f"SELECT COUNT(*) FROM {name}") == [(ROWS,)]
    for kept in tables(product, "shop") - PRESENT:
        product.run(f"DROP TABLE shop.{kept}")


def at(
    patch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    act: Callable[[Connection[Any], str | bytes], None],
    module: Any = transfer,
) -> None:
    """Have ``act`` happen instead of the first statement with these words in the instance.

    Any: a module.
    """
    done: list[str] = []

    def replaced(connection: Connection[Any], sql: str | bytes) -> None:
        if not done and any(word in str(sql) for word in words):
            done.append(str(sql))
            act(connection, sql)
        else:
            run(connection, sql)

    patch.setattr(module, "run", replaced)


@pytest.mark.parametrize("words", [INTO, REPLACING], ids=["gone", "present"])
def test_the_instance_is_killed_in_the_middle_of_an_import(
    product: Product,
    label: str,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    words: tuple[str, ...],
) -> None:
    """It starts again, which it would not with two files of one number in its folder."""

    killed: list[str] = []

    def kill(connection: Connection[Any], sql: str | bytes) -> None:
        # The statement is on its way; the answer of a quick one may have come, and is not read.
        connection._execute_command(3, sql)  # type: ignore[attr-defined]
        killed.append(str(sql))
        product.kill()
        raise pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query")

    at(monkeypatch, ("IMPORT TABLESPACE", "INSERT INTO"), kill)
    ended = restore(label, *words)
    by_files = product.is_mysql and words == INTO
    assert ("IMPORT" in killed[0]) is by_files
    monkeypatch.undo()
    assert Job.objects.latest("id").leftovers, "what is left is not forgotten"
    product.start()
    assert_failed(ended, "transfer", "could not be restored into bank-1: Lost", "error log")
    assert remove_leftovers_of_host() == 1
    assert_cleared(product, settings)
    assert_works(product, label, words)


def test_the_private_server_is_killed(
    product: Product, label: str, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """Of that the instance is innocent: it is not what the error names."""
    real = PrivateServer.connect

    def kill(connection: Connection[Any], sql: str | bytes) -> None:
        servers[-1].kill()
        run(connection, sql)

    servers: list[PrivateServer] = []

    def connect(self: PrivateServer, **options: Any) -> Connection[Any]:
        if self.folder != product.folder.resolve():
            servers.append(self)
        return real(self, **options)

    monkeypatch.setattr(PrivateServer, "connect", connect)
    at(monkeypatch, ("CREATE TABLE",), kill)
    ended = restore(label, *INTO)
    monkeypatch.undo()
    assert_failed(ended, "transfer", "the private server was killed", "kernel log")
    assert_cleared(product, settings)


def test_the_disk_of_the_instance_is_full(
    product: Product, label: str, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    full: list[Path] = []

    def fill_it(connection: Connection[Any], sql: str | bytes) -> None:
        run(connection, sql)
        full.append(fill(product.folder.parent))

    at(monkeypatch, ("CREATE TABLE",), fill_it)
    ended = restore(label, *INTO)
    monkeypatch.undo()
    full[0].unlink()
    # A MariaDB that cannot write its redo log ends.
    revive(product)
    remove_leftovers_of_host()
    assert_failed(ended, "transfer", "restore it again", "own name")
    assert_cleared(product, settings)
    assert_works(product, label)


@pytest.mark.parametrize("stage", ["extract", "open tables"])
def test_the_scratch_folder_is_full(
    product: Product,
    label: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    stage: str,
) -> None:
    with small_disk(tmp_path / "small", "300m") as disk:
        settings.SCRATCH_FOLDER = disk / "scratch"
        with monkeypatch.context() as patch:
            before(patch, Operation.RESTORE_TABLE, stage, lambda: fill(disk))
            ended = restore(label, *INTO)
        assert_failed(ended, stage, str(disk))
        (disk / "filler").unlink()
        assert_cleared(product, settings)


def test_the_repository_is_gone(
    product: Product, main: Repository, label: str, settings: Settings
) -> None:
    store = Path(main.path)
    with pytest.MonkeyPatch.context() as patch:
        apart = store.with_name("apart")
        before(patch, Operation.RESTORE_TABLE, "extract", lambda: store.rename(apart))
        ended = restore(label, *INTO)
    assert_failed(ended, "extract", str(store))
    gone = restore(label, *INTO)
    assert gone.exit_code != 0
    assert str(store) in gone.stdout + gone.stderr
    apart.rename(store)
    assert_cleared(product, settings)


def test_a_session_that_holds_a_table_is_named_and_holds_up_nobody_else(
    product: Product, label: str, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(naming, "WAIT_SECONDS", 1)
    monkeypatch.setattr(naming, "TRIES", 3)
    waited: list[float] = []
    waiting = waiting_for_lock("RENAME TABLE")

    def read() -> None:
        wait_until(lambda: product.run(waiting))
        began = time.monotonic()
        product.run("SELECT COUNT(*) FROM shop.orders")
        waited.append(time.monotonic() - began)

    with closing(product.connect()) as holder, holder.cursor() as cursor:
        with ThreadPoolExecutor(1) as thread:
            cursor.execute("BEGIN")
            cursor.execute("SELECT COUNT(*), CONNECTION_ID() FROM shop.orders")
            number = cursor.fetchall()[0][1]
            reading = thread.submit(read)
            ended = restore(label, *REPLACING)
            reading.result()
        assert_failed(ended, "hand over", f"session {number} of root", f"KILL {number};")
        # In the queue behind the statement, until that gives up.
        assert waited[0] < 2.5
    assert_cleared(product, settings)


@pytest.mark.of_product("mysql")
def test_a_lock_on_the_parent_of_a_foreign_key(
    product: Product, label: str, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(target, "LOCK_WAIT_SECONDS", 1)
    words = ("--table", "shop.lines", "--as", "shop.again", "--to-instance", "bank-1")
    with closing(product.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES shop.parents WRITE")
        ended = restore(label, *words)
    assert_failed(ended, "transfer", "Lock wait timeout", "that its foreign keys name")
    remove_leftovers_of_host()
    assert_cleared(product, settings)


def begin_held(folder: Path, label: str, stage: str, moment: str, *words: str) -> int:
    """Begin a restore in a process of its own, which stands still there; return the process."""
    connections.close_all()
    for name in ("held", "go"):
        (folder / name).unlink(missing_ok=True)
    child = os.fork()
    if not child:
        try:
            os.environ["MOORING_HOME"] = str(folder)
            if stage:
                hold(Operation.RESTORE_TABLE.value, stage, moment)
            restore(label, *words)
        finally:
            os._exit(0)
    return child


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.of_product("mysql")
def test_the_worker_is_killed_at_every_stage(
    product: Product, label: str, tmp_path: Path, settings: Settings
) -> None:
    for stage in STAGES:
        child = begin_held(tmp_path, label, stage.name, "after", *INTO)
        wait_until((tmp_path / "held").exists)
        kill(child)
        clear_up_here(now() + timedelta(seconds=settings.LEASE_SECONDS))
        job = Job.objects.latest("id")
        assert (job.status, job.leftovers) == (JobStatus.LOST, False), stage.name
        open_stages = (StageStatus.PENDING, StageStatus.RUNNING)
        assert not JobStage.objects.filter(job=job, status__in=open_stages).exists()
        if stage.name == "hand over":
            assert product.run("SELECT COUNT(*) FROM other.orders") == [(ROWS,)]
            product.run("DROP TABLE other.orders")
        assert_cleared(product, settings)


def test_the_worker_is_killed_while_its_statement_waits(
    product: Product, label: str, tmp_path: Path, settings: Settings
) -> None:
    """Once its job is lost and cleared up, the statement does not come through after all."""
    if product.is_mysql:
        lock, begin = "LOCK TABLES shop.parents WRITE", "CREATE TABLE"
        words: tuple[str, ...] = (
            "--table", "shop.lines", "--as", "shop.again", "--to-instance", "bank-1",
        )  # fmt: skip
    else:
        lock, begin, words = "LOCK TABLES shop.orders READ", "RENAME TABLE", REPLACING
    waiting = waiting_for_lock(begin)
    with closing(product.connect()) as holder, holder.cursor() as cursor:
        cursor.execute(lock)
        child = begin_held(tmp_path, label, "", "", *words)
        wait_until(lambda: product.run(waiting))
        kill(child)
        clear_up_here(now() + timedelta(seconds=settings.LEASE_SECONDS))
        assert Job.objects.latest("id").status == JobStatus.LOST
        assert product.run(waiting) == []
    assert_cleared(product, settings)
    if not product.is_mysql:
        assert_works(product, label, words)
