"""The definitions of a real server: all that its account may see, on both products."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymysql.connections import Connection
from pytest_django import Settings

from backups.definitions import fetch
from backups.definitions.document import Definition, Definitions, decode
from backups.definitions.fetch import DefinitionReader
from backups.engines.base import Login
from backups.instances.connection import connect
from backups.instances.facts import fetch_grants
from backups.instances.grants import unseen_definitions
from backups.models import Instance, JobLogLine, Repository
from backups.programs.private_server import PrivateServer, ServerOptions
from tests.commands import run_command
from tests.live.mysql import PrivateMysql
from tests.live.server import free_port, new_mariadb
from tests.live.test_first_backup import bank, instance, main, taken

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

__all__ = ["bank", "instance", "main"]

ALL_OF_IT = (
    "CREATE DATABASE `sho``p`",
    "USE `sho``p`",
    "CREATE TABLE orders (id INT PRIMARY KEY, note VARCHAR(20) DEFAULT 'a\\nb')",
    "CREATE VIEW big AS SELECT id FROM orders WHERE id > 100",
    "CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW SET NEW.note = 'new'",
    "CREATE PROCEDURE pay() SELECT 1",
    "CREATE FUNCTION half(n INT) RETURNS INT DETERMINISTIC NO SQL RETURN n DIV 2",
    # As a script of another character set has it: the server keeps the bytes.
    b"CREATE PROCEDURE odd() COMMENT 'x' /* Gr\xf6\xdfe */ SELECT '\xff'",
    "CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY DO DELETE FROM orders",
    "CREATE USER some@'127.0.0.1' IDENTIFIED BY 'Pw-1'",
    "GRANT PROCESS ON *.* TO some@'127.0.0.1'",
    "CREATE USER every@'127.0.0.1' IDENTIFIED BY 'Pw-1'",
    "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO every@'127.0.0.1'",
)
# A private server has the event scheduler disabled, and then it can make none.
EVENTS = {"event-scheduler": "OFF"}
KINDS = {"schema", "table", "view", "trigger", "procedure", "function", "event"}
Server = tuple[int, Callable[[], Connection]]


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("defined") / "data"
    if request.param == "mysql":
        with PrivateMysql(folder) as mysql:
            run(lambda: mysql.connect(), *ALL_OF_IT)
            yield mysql.port, lambda: mysql.connect()
        return
    new_mariadb(folder)
    port = free_port()
    with PrivateServer(folder, ServerOptions(port=port, server_id=1, options=EVENTS)) as mariadb:
        run(mariadb.connect, *ALL_OF_IT)
        yield port, mariadb.connect


# Any: text, or the bytes of another character set.
def run(connect_as_root: Callable[[], Connection], *statements: Any) -> None:
    with closing(connect_as_root()) as root, root.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def read(port: int, user: str, *, seconds: float = 60) -> Definitions:
    login = Login(user, "Pw-1", port=port)
    with closing(connect(login)) as connection:
        unseen = unseen_definitions(fetch_grants(connection))
    reader = DefinitionReader(login, seconds=seconds, check=lambda: None, unseen=unseen)
    return decode(b"".join(reader.lines(datetime.now(UTC))))


def of_shop(definitions: Definitions) -> dict[str, Definition]:
    return {each.kind: each for each in definitions.objects if each.schema == "sho`p"}


def test_everything_is_read(server: Server) -> None:
    definitions = read(server[0], "every")
    found = of_shop(definitions)
    assert set(found) == KINDS
    assert definitions.missing == ("sho`p.odd: its text is not UTF-8, in part",)
    assert "DEFAULT 'a\\nb'" in found["table"].sql
    assert "DELETE FROM orders" in found["event"].sql
    assert found["procedure"].sql_mode


def test_what_an_account_may_not_see_is_named(server: Server) -> None:
    definitions = read(server[0], "some")
    assert "table" not in of_shop(definitions)
    kinds = {words.split(" ")[0] for words in definitions.missing}
    assert {"tables", "views", "triggers", "routines", "events"} <= kinds


def test_a_table_that_is_locked_by_ddl_holds_up_nothing_else(server: Server) -> None:
    port, connect_as_root = server
    with closing(connect_as_root()) as root, root.cursor() as cursor:
        cursor.execute("LOCK TABLES `sho``p`.orders WRITE")
        definitions = read(port, "every")
    assert {"schema", "procedure", "event"} <= set(of_shop(definitions))
    assert "table" in of_shop(definitions) or any("orders" in why for why in definitions.missing)


def test_no_more_time_is_taken_than_was_given(server: Server) -> None:
    definitions = read(server[0], "every", seconds=0)
    assert definitions.objects == ()
    assert any("left out" in why for why in definitions.missing)


def test_a_connection_that_is_killed_is_named_and_what_was_read_stays(server: Server) -> None:
    port, connect_as_root = server
    looks = iter(range(100))

    def kill_in_the_middle() -> None:
        if next(looks) == len(fetch._LISTS) + 1:
            with closing(connect_as_root()) as root, root.cursor() as cursor:
                cursor.execute("SELECT id FROM information_schema.processlist WHERE user = 'every'")
                for (number,) in cursor.fetchall():
                    cursor.execute(f"KILL {number}")

    login = Login("every", "Pw-1", port=port)
    reader = DefinitionReader(login, seconds=60, check=kill_in_the_middle, unseen=[])
    definitions = decode(b"".join(reader.lines(datetime.now(UTC))))
    assert len(definitions.objects) == 1
    (missing,) = definitions.missing
    assert "reading ended early: the connection was " in missing and "killed" in missing
    assert "SHOW CREATE " in missing


def test_a_slow_list_has_all_of_the_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    # As of 100,000 tables: longer than any single definition may take.
    monkeypatch.setattr(fetch, "READ_TIMEOUT_SECONDS", 1)
    slow = f"{fetch._LISTS['tables']} AND SLEEP(1.5) = 0"
    monkeypatch.setattr(fetch, "_LISTS", {**fetch._LISTS, "tables": slow})
    assert set(of_shop(read(server[0], "every"))) == KINDS


def test_a_server_that_is_gone_is_no_error() -> None:
    login = Login("nobody", "", port=free_port())
    reader = DefinitionReader(login, seconds=5, check=lambda: None, unseen=[])
    definitions = decode(b"".join(reader.lines(datetime.now(UTC))))
    assert definitions.objects == ()
    assert "reading ended early" in definitions.missing[0]


def test_a_backup_says_how_its_tables_are_defined(
    bank: PrivateServer, instance: Instance, main: Repository, settings: Settings, tmp_path: Path
) -> None:
    settings.DEFINITIONS_SECONDS = 60
    run(bank.connect, "GRANT SHOW VIEW ON *.* TO bk@'127.0.0.1'")
    label = taken()
    # The second is a backup of its own, and the file is in both.
    assert (
        run_command("takebackup", "bank-1", "--kind", "incremental", "--foreground").exit_code == 0
    )
    newest = run_command("listbackups", "--json").json()["backups"][0]["label"]
    for each in (label, newest):
        shown = run_command("showdefinition", each, "bank.accounts", "--json").json()
        assert [row["kind"] for row in shown["definitions"]] == ["table"]
        assert "CREATE TABLE `accounts`" in shown["definitions"][0]["sql"]
        # Its event scheduler is disabled, and so the server lists none.
        assert any(why.startswith("events are missing") for why in shown["missing"])
        assert any(why.startswith("triggers may be missing") for why in shown["missing"])
    assert run_command("showdefinition", label, "bank.nothing").exit_code == 2
    target = tmp_path / "restored"
    assert run_command("restorebackup", label, "--to", str(target), "--foreground").exit_code == 0
    assert (target / "mooring-definitions.jsonl").is_file()
    lines = JobLogLine.objects.filter(source="definitions", text__contains="stored")
    assert lines.count() == 2
