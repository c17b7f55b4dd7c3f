"""Real servers' pages in every format: whole ones pass, one damaged on the disk is named."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings as DjangoSettings

from backups.models import Backup, Evidence, Job, Repository
from backups.programs.private_server import PrivateServer, ServerOptions
from tests.backups.archive.stores import records_of
from tests.backups.conftest import make_repository
from tests.backups.innodb.made_pages import flipped
from tests.backups.page_check.checking import check_pages, damaged
from tests.commands import Ended, run_command
from tests.live.clone_jobs import USER, add_instance, make_main, taken
from tests.live.mysql import PrivateMysql, program
from tests.live.server import free_port, new_mariadb
from tests.monitor.rows import make_user

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

DAMAGED_PAGE = 4
NAMED = re.compile(r"pages\.broken: page 4 of space \d+ in pages/broken\.ibd: ")
Execute = Callable[..., Sequence[tuple[Any, ...]]]


@pytest.fixture
def main(tmp_path: Path, settings: DjangoSettings) -> Repository:
    return make_main(tmp_path, settings)


@pytest.fixture
def mariadb_main(tmp_path: Path, settings: DjangoSettings) -> Repository:
    settings.BACKUP_KEY_TEXT = ""
    settings.BACKUP_KEY_FILE = tmp_path / "backup.key"
    assert run_command("createbackupkey").exit_code == 0
    return make_repository("main", tmp_path / "main")


def fill(execute: Execute, options: Mapping[str, str]) -> None:
    """Make a table per option and one to be damaged, each a few dozen pages long."""
    execute("CREATE DATABASE pages")
    for name, option in {"broken": "", **options}.items():
        execute(f"CREATE TABLE pages.{name} (id INT PRIMARY KEY, t VARCHAR(150), KEY(t)) {option}")
    rows = ", ".join(f"({n}, '{n * 7919 % 10007:0>60}')" for n in range(6000))
    execute("SET SESSION unique_checks = 0", f"INSERT INTO pages.broken VALUES {rows}")
    for name in options:
        execute(f"INSERT INTO pages.{name} SELECT * FROM pages.broken")


def damage(data: Path, page_bytes: int) -> Path:
    """Flip a bit of a page on a stopped server's disk."""
    path = data / "pages" / "broken.ibd"
    with path.open("r+b") as file:
        file.seek(DAMAGED_PAGE * page_bytes)
        page = file.read(page_bytes)
        file.seek(DAMAGED_PAGE * page_bytes)
        file.write(flipped(page, page_bytes * 4))
    return path


def verify_pages(label: str) -> Ended:
    return run_command("verifybackup", label, "--pages", "--foreground", "--json")


def assert_all_whole(label: str, unknown: int = 0) -> dict[str, Any]:
    ended = verify_pages(label)
    assert ended.exit_code == 0, ended.stdout
    pages: dict[str, Any] = Evidence.objects.earliest("-id").report["pages"]
    assert (pages["damaged"], pages["unknown"]) == (0, unknown), pages
    assert pages["whole"] > 200
    return pages


def assert_one_named(label: str) -> None:
    ended = verify_pages(label)
    assert ended.exit_code == 1
    pages = Evidence.objects.earliest("-id").report["pages"]
    assert pages["damaged_tables"] == {"pages.broken": 1}
    (line,) = pages["damages"]
    assert NAMED.match(line)
    job = Job.objects.get(pk=ended.json()["job"])
    assert [log_line.text for log_line in job.log_lines.filter(source="pages")] == [line]
    assert "the stored bytes match, but 1 page came from the server damaged" in job.error


@pytest.mark.parametrize("size", ["4k", "8k", "16k", "32k", "64k"])
def test_mysql(size: str, tmp_path: Path, main: Repository) -> None:
    # Nothing can be saved of a page no bigger than a block of the filesystem.
    options = {"zlib": "COMPRESSION='zlib'"} if size != "4k" else {}
    if size in ("4k", "8k", "16k"):
        options |= {"small": "ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=2"}
    with PrivateMysql(tmp_path / "data", {"innodb-page-size": size}) as donor:
        donor.execute(*USER, "CREATE TABLESPACE shared ADD DATAFILE 'shared.ibd'")
        fill(donor.execute, options | {"shared": "TABLESPACE shared"})
        add_instance(donor)
        assert_all_whole(taken())
        donor.stop()
        path = damage(donor.folder, int(size[:-1]) * 1024)
        donor.start()
        label = taken()
    assert_one_named(label)
    checked = subprocess.run([program("innochecksum"), str(path)], capture_output=True, check=False)
    assert checked.returncode != 0
    assert b"page number = 4" in checked.stderr or b"page 4" in checked.stderr, checked.stderr


def test_a_clone_and_its_verify_are_shown(tmp_path: Path, main: Repository) -> None:
    with PrivateMysql(tmp_path / "data", {"log-bin": "binlog"}) as donor:
        donor.execute(*USER)
        fill(donor.execute, {})
        add_instance(donor)
        uuid = donor.execute("SELECT @@server_uuid")[0][0]
        label = taken()
    assert_all_whole(label)
    backup = Backup.objects.get()
    client = Client()
    client.force_login(make_user("victor", "viewer"))
    page = client.get(reverse("job-detail", args=[backup.made_by_id])).content.decode()
    for detail in (r"\d+ files, [\d.]+ MiB", r"\d+ pages? sent again", r"\d+ redo files, "):
        assert re.search(detail, page), detail
    page = client.get(reverse("backup-detail", args=[label])).content.decode()
    for shown in (uuid, "16.0 KiB", "Pages sent again", "Redo", f"{uuid}:1-", " pages whole"):
        assert shown in page, shown


@pytest.mark.parametrize("algorithm", ["innodb", "none"])
def test_older_checksums_of_mysql(algorithm: str, tmp_path: Path, main: Repository) -> None:
    server = PrivateMysql(
        tmp_path / "data", {"innodb-checksum-algorithm": algorithm, "innodb-page-size": "4k"}
    )
    with server as donor:
        donor.execute(*USER)
        fill(donor.execute, {"small": "ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=2"})
        add_instance(donor)
        label = taken()
    if algorithm == "innodb":
        assert_all_whole(label)
    else:
        assert verify_pages(label).exit_code == 0
        pages = Evidence.objects.get().report["pages"]
        assert (pages["whole"], pages["damaged"]) == (0, 0)
        assert "written without a checksum" in pages["not_checked"][0]


@contextmanager
def mariadb_server(data: Path, options: Mapping[str, str]) -> Iterator[PrivateServer]:
    settings = ServerOptions(port=free_port(), binlog=True, server_id=1, options=options)
    with PrivateServer(data, settings) as server:
        yield server


def run_on(server: PrivateServer, *statements: str) -> list[tuple[Any, ...]]:
    with server.connect() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()
        return list(cursor.fetchall())


def flush(server: PrivateServer, tables: Sequence[str]) -> None:
    """Have all pages written: what is only in memory comes in the redo log, and not as pages."""
    names = ", ".join(f"pages.{name}" for name in tables)
    run_on(server, f"FLUSH TABLES {names} FOR EXPORT", "UNLOCK TABLES")


def add_mariadb(server: PrivateServer, folder: Path) -> None:
    password = folder / "password"
    password.write_text("pages-word")
    run_on(
        server,
        "CREATE USER bk@'127.0.0.1' IDENTIFIED BY 'pages-word'",
        "GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO bk@'127.0.0.1'",
    )
    words = ["--port", str(server.settings.port), "--user", "bk", "--password-file", str(password)]
    ended = run_command("addinstance", "bank-1", *words)
    assert ended.exit_code == 0, ended.stderr


@pytest.mark.parametrize("algorithm", ["full_crc32", "crc32"])
@pytest.mark.parametrize("size", ["4k", "16k", "64k"])
def test_mariadb(size: str, algorithm: str, tmp_path: Path, mariadb_main: Repository) -> None:
    data = tmp_path / "data"
    options = {"innodb-page-size": size, "innodb-checksum-algorithm": algorithm}
    new_mariadb(data, options)
    tables = {"packed": "PAGE_COMPRESSED=1"}
    if size != "64k":
        tables |= {"small": "ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=2"}
    with mariadb_server(data, options) as server:
        fill(lambda *sql: run_on(server, *sql), tables)
        flush(server, ["broken", *tables])
        add_mariadb(server, tmp_path)
        label = taken()
        if algorithm == "full_crc32":
            assert_all_whole(label)
        else:
            assert verify_pages(label).exit_code == 0
            pages = Evidence.objects.get().report["pages"]
            assert pages["unknown"] > 10
            assert pages["not_checked"] == [
                f"{pages['unknown']} pages not checked: compressed by MariaDB without a checksum, "
                "in pages/packed.ibd"
            ]
    path = damage(data, int(size[:-1]) * 1024)
    # The tool refuses to copy such a page, so that the files are put into an archive as they are.
    paths = [path, data / "pages" / "packed.ibd", data / "ibdata1"]
    files = {each.relative_to(data).as_posix(): each.read_bytes() for each in paths}
    report = check_pages(tmp_path / "raw", records_of(files))
    assert damaged(report) == [("pages/broken.ibd", DAMAGED_PAGE)]
    checked = subprocess.run(["innochecksum", str(path)], capture_output=True, check=False)
    assert checked.returncode != 0


def test_a_backup_under_load_has_no_damaged_page(tmp_path: Path, mariadb_main: Repository) -> None:
    data = tmp_path / "data"
    new_mariadb(data)
    with mariadb_server(data, {}) as server:
        fill(lambda *sql: run_on(server, *sql), {"packed": "PAGE_COMPRESSED=1"})
        flush(server, ["broken", "packed"])
        add_mariadb(server, tmp_path)
        over = threading.Event()
        writer = threading.Thread(target=write_until, args=(server, over))
        writer.start()
        try:
            label = taken()
        finally:
            over.set()
            writer.join()
        assert_all_whole(label)


def write_until(server: PrivateServer, over: threading.Event) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        while not over.is_set():
            cursor.execute("UPDATE pages.broken SET t = REVERSE(t) WHERE id % 7 = 0")
            cursor.execute("UPDATE pages.packed SET t = REVERSE(t) WHERE id % 5 = 0")
            connection.commit()
