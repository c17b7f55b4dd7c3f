"""check_tables asks a real server: whole, damaged, and impossible to check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.connections import Connection

from backups.programs.private_server import PrivateServer
from backups.stages.proof.check_tables import TABLES as TABLES_OF_A_SERVER
from backups.stages.proof.check_tables import check_table
from scripts import proof
from tests.live.server import new_mariadb

pytestmark = pytest.mark.live

TABLES = (
    "CREATE DATABASE shop",
    "CREATE TABLE shop.`o``dd` (id INT PRIMARY KEY) ENGINE=InnoDB",
    "INSERT INTO shop.`o``dd` VALUES (1), (2)",
    "CREATE TABLE shop.old (id INT PRIMARY KEY) ENGINE=MyISAM",
    "INSERT INTO shop.old VALUES (1), (2), (3)",
    "CREATE TABLE shop.sheet (id INT NOT NULL) ENGINE=MEMORY",
    "CREATE SEQUENCE shop.numbers",
    "CREATE TABLE shop.prices (id INT PRIMARY KEY) WITH SYSTEM VERSIONING",
    "INSERT INTO shop.prices VALUES (1), (2)",
    "DELETE FROM shop.prices WHERE id = 1",
    "CREATE VIEW shop.seen AS SELECT * FROM shop.prices",
    "FLUSH TABLES",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    folder = tmp_path_factory.mktemp("tables") / "data"
    new_mariadb(folder)
    with PrivateServer(folder) as server:
        with server.connect() as connection, connection.cursor() as cursor:
            for statement in TABLES:
                cursor.execute(statement)
        yield server


@pytest.fixture
def connection(server: PrivateServer) -> Iterator[Connection]:
    with server.connect() as connection:
        yield connection


def checked(connection: Connection, name: str, engine: str = "InnoDB") -> dict[str, Any]:
    """Any: what was found has values of several types."""
    return check_table(connection, {"table_schema": "shop", "table_name": name, "engine": engine})


def test_a_whole_table(connection: Connection) -> None:
    found = checked(connection, "o`dd")
    assert (found["verdict"], found["rows"], found["message"]) == ("ok", 2, "")


def test_an_engine_that_cannot_be_checked(connection: Connection) -> None:
    found = checked(connection, "sheet", "MEMORY")
    assert (found["verdict"], found["rows"]) == ("unknown", 0)
    assert "doesn't support check" in found["message"]


@pytest.mark.parametrize("question", [TABLES_OF_A_SERVER, proof.TABLES], ids=["stage", "demo"])
def test_everything_with_rows_is_checked(connection: Connection, question: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(question)
        names = [row[1] for row in cursor.fetchall() if row[0] == "shop"]
    assert sorted(names) == ["numbers", "o`dd", "old", "prices", "sheet"]


def test_a_versioned_table_counts_what_is_in_it_now(connection: Connection) -> None:
    found = checked(connection, "prices")
    assert (found["verdict"], found["rows"], found["message"]) == ("ok", 1, "")


def test_a_sequence_is_read_but_cannot_be_checked(connection: Connection) -> None:
    found = checked(connection, "numbers")
    assert (found["verdict"], found["rows"]) == ("unknown", 1)
    assert "doesn't support check" in found["message"]


def test_a_damaged_table(server: PrivateServer, connection: Connection) -> None:
    index = Path(server.folder) / "shop" / "old.MYI"
    index.write_bytes(index.read_bytes()[:1024] + b"\xff" * 1024)
    with connection.cursor() as cursor:
        cursor.execute("FLUSH TABLES")
    found = checked(connection, "old", "MyISAM")
    assert found["verdict"] == "failed"
    assert found["message"]


def test_a_table_that_is_gone(connection: Connection) -> None:
    found = checked(connection, "nothing")
    assert (found["verdict"], found["rows"]) == ("failed", None)


def test_a_server_that_is_killed_gives_no_verdict(tmp_path: Path) -> None:
    new_mariadb(tmp_path / "data")
    with PrivateServer(tmp_path / "data") as server:
        known = server.connect()
        server.kill()
        with pytest.raises(pymysql.Error):
            check_table(known, {"table_schema": "mysql", "table_name": "user", "engine": "Aria"})
