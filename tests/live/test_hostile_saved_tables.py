"""Saved tables that somebody has changed, against a real MySQL."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from backups.engines.clone.loading import load_tables
from backups.engines.clone.loading_account import loading_account
from backups.engines.clone.saved_files import FOLDER, SavedTable, framed
from backups.exceptions import EngineError
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.programs.server_program import find_mysqld, mysql_program
from tests.live.mysql import PrivateMysql, program
from tests.live.watch import Watch

pytestmark = pytest.mark.live

TABLE = SavedTable("shop", "notes", "MyISAM", f"{FOLDER}/shop/notes.sql", 1)
CREATE = b"CREATE TABLE `notes` (`i` INT) ENGINE=MyISAM"
INSERT = b"INSERT INTO `shop`.`notes` (`i`) VALUES\n(1)"


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mysql") / "data"
    with PrivateMysql(folder) as server:
        server.execute(
            "CREATE DATABASE shop",
            "CREATE TABLE shop.orders (i INT)",
            # What a trigger of the backup's own may do when it fires: everything.
            "CREATE TRIGGER shop.fires BEFORE INSERT ON shop.orders FOR EACH ROW "
            "SET GLOBAL long_query_time = 7",
        )
        server.stop()
    return folder


@pytest.fixture
def server(made_once: Path, tmp_path: Path) -> Iterator[PrivateServer]:
    folder = tmp_path / "data"
    shutil.copytree(made_once, folder)
    path, version = find_mysqld(program("mysqld"))
    settings = ServerOptions(skip_grant_tables=True, program=mysql_program(path, version))
    with PrivateServer(folder, settings) as running:
        yield running


def save(folder: Path, *statements: bytes) -> None:
    (folder / FOLDER / "shop").mkdir(parents=True)
    (folder / TABLE.path).write_bytes(b"".join(framed(statement) for statement in statements))


def test_a_table_is_loaded_and_its_account_is_gone(server: PrivateServer) -> None:
    save(server.folder, b"USE `shop`", CREATE, INSERT)
    assert load_tables(server, server.folder, [TABLE], Watch()) == 1
    assert not (server.folder / FOLDER).exists()
    server.stop()
    with PrivateServer(server.folder, server.settings) as again, again.connect() as connection:
        cursor = connection.cursor()
        assert cursor.execute("SELECT * FROM shop.notes") == 1
        assert cursor.execute("SELECT 1 FROM mysql.user WHERE user LIKE 'mooring%'") == 0


def test_a_statement_that_sets_the_server_is_refused(server: PrivateServer, tmp_path: Path) -> None:
    marker = tmp_path / "general.log"
    hostile = f"SET GLOBAL general_log_file = '{marker}', GLOBAL general_log = 1"
    save(server.folder, b"USE `shop`", CREATE, INSERT, hostile.encode())
    with pytest.raises(EngineError, match=r"no backup writes: .SET GLOBAL general_log"):
        load_tables(server, server.folder, [TABLE], Watch())
    assert not marker.exists()


def test_a_file_outside_the_folder_is_neither_run_nor_removed(
    server: PrivateServer, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "notes.sql").write_bytes(framed(CREATE) + framed(INSERT))
    (server.folder / FOLDER).mkdir()
    (server.folder / FOLDER / "shop").symlink_to(outside)
    with pytest.raises(EngineError, match="could not be loaded"):
        load_tables(server, server.folder, [TABLE], Watch())
    assert (outside / "notes.sql").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "SET GLOBAL general_log_file = '/tmp/x'",
        "SET PERSIST general_log = 1",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "CREATE TABLE shop.notes (i INT) ENGINE=MyISAM DATA DIRECTORY='/tmp'",
        "INSERT INTO shop.orders VALUES (1)",
        "INSERT INTO shop.notes SELECT i FROM shop.orders",
        "CREATE TRIGGER shop.t BEFORE INSERT ON shop.notes FOR EACH ROW SET @a = 1",
        "CREATE FUNCTION f RETURNS INTEGER SONAME 'x.so'",
        "GRANT ALL ON *.* TO root@localhost",
        "DROP DATABASE shop",
    ],
)
def test_the_account_may_fill_its_table_and_nothing_else(
    server: PrivateServer, statement: str
) -> None:
    with server.connect() as admin, loading_account(server, admin) as account:
        account.grant(TABLE.schema, TABLE.name)
        with server.connect(user=account.name, password=account.password) as connection:
            cursor = connection.cursor()
            cursor.execute("USE shop")
            if "CREATE TABLE" not in statement:
                cursor.execute(CREATE.decode())
                cursor.execute(INSERT.decode())
            with pytest.raises(pymysql.err.MySQLError) as refused:
                cursor.execute(statement)
        assert refused.value.args[0] in {1044, 1045, 1142, 1227, 1290, 1370, 3619, 3661}, refused
        cursor = admin.cursor()
        cursor.execute("SELECT @@GLOBAL.long_query_time")
        assert cursor.fetchone() == (10,)


def test_what_the_donor_persisted_is_not_read(made_once: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(made_once, folder)
    marker = tmp_path / "general.log"
    persisted = {"general_log_file": str(marker), "general_log": "ON"}
    (folder / "mysqld-auto.cnf").write_text(
        json.dumps(
            {
                "Version": 2,
                "mysql_dynamic_variables": {
                    name: {"Value": value, "Metadata": {"Host": "", "User": "", "Timestamp": 1}}
                    for name, value in persisted.items()
                },
            }
        )
    )
    path, version = find_mysqld(program("mysqld"))
    settings = ServerOptions(skip_grant_tables=True, program=mysql_program(path, version))
    with PrivateServer(folder, settings) as running, running.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT @@GLOBAL.general_log")
        assert cursor.fetchone() == (0,)
    assert not marker.exists()
