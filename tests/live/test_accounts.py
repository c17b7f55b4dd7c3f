"""Accounts that a server does not let in, and passwords beyond ASCII, on both products."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pymysql.connections import Connection
from pytest_django import Settings

from backups.clone_protocol import Endpoint
from backups.engines.base import Login
from backups.exceptions import InstanceUnreachable
from backups.instances.connection import connect
from backups.instances.grants import NEEDED
from backups.models import Instance
from backups.programs.private_server import PrivateServer, ServerOptions
from tests.commands import run_command
from tests.live.mysql import PrivateMysql
from tests.live.server import free_port, new_mariadb
from tests.live.test_first_backup import main, take

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

__all__ = ["main"]

PASSWORD = "pässwörd € 𝄞 'q\"\\"
ACCOUNTS = (
    "CREATE USER locked@'127.0.0.1' IDENTIFIED BY 'x' ACCOUNT LOCK",
    "CREATE USER expired@'127.0.0.1' IDENTIFIED BY 'x' PASSWORD EXPIRE",
    "CREATE USER certified@'127.0.0.1' IDENTIFIED BY 'x' REQUIRE X509",
    "CREATE USER limited@'127.0.0.1' IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 1",
)
Server = tuple[int, Callable[[], Connection]]


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("accounts") / "data"
    if request.param == "mysql":
        with PrivateMysql(folder) as mysql:
            prepare(lambda: mysql.connect(charset="utf8mb4"))
            yield mysql.port, mysql.connect
        return
    new_mariadb(folder)
    port = free_port()
    with PrivateServer(folder, ServerOptions(port=port, server_id=1, binlog=True)) as mariadb:
        prepare(mariadb.connect)
        yield port, mariadb.connect


def prepare(connect_as_root: Callable[[], Connection]) -> None:
    with closing(connect_as_root()) as root, root.cursor() as cursor:
        cursor.execute("CREATE USER bk@'127.0.0.1' IDENTIFIED BY %s", (PASSWORD,))
        for statement in ACCOUNTS:
            cursor.execute(statement)


def test_a_password_may_have_any_character(server: Server) -> None:
    connect(Login("bk", PASSWORD, port=server[0])).close()
    Endpoint("bk", PASSWORD, port=server[0]).connect().close()


@pytest.mark.parametrize(
    ("user", "found", "hint"),
    [
        ("locked", "account locked is locked", "ACCOUNT UNLOCK;"),
        ("expired", "the password of account expired has expired", "PASSWORD EXPIRE NEVER;"),
        ("certified", "access denied for user certified@", "REQUIRE X509"),
        ("nobody", "access denied for user nobody@", "CREATE USER `nobody`@"),
    ],
)
def test_the_cause_is_named(server: Server, user: str, found: str, hint: str) -> None:
    with pytest.raises(InstanceUnreachable) as caught:
        connect(Login(user, "x", port=server[0]))
    assert found in str(caught.value)
    assert hint in caught.value.hint


def test_the_limit_of_an_account_is_named(server: Server) -> None:
    login = Login("limited", "x", port=server[0])
    with closing(connect(login)), pytest.raises(InstanceUnreachable) as caught:
        connect(login)
    assert "account limited has reached its max_user_connections" in str(caught.value)
    assert "WITH MAX_USER_CONNECTIONS 0;" in caught.value.hint


@pytest.mark.usefixtures("main")
def test_a_backup_with_such_a_password(tmp_path: Path, settings: Settings) -> None:
    new_mariadb(tmp_path / "data")
    port = free_port()
    options = ServerOptions(port=port, server_id=1, binlog=True)
    with PrivateServer(tmp_path / "data", options) as mariadb:
        prepare(mariadb.connect)
        with closing(mariadb.connect()) as root, root.cursor() as cursor:
            cursor.execute(f"GRANT {', '.join(NEEDED)} ON *.* TO bk@'127.0.0.1'")
        (tmp_path / "password").write_text(PASSWORD)
        words = ["--port", str(port), "--user", "bk", "--password-file", str(tmp_path / "password")]
        added = run_command("addinstance", "bank-1", *words)
        assert added.exit_code == 0, added.stderr
        assert Instance.objects.get(name="bank-1").password() == PASSWORD
        assert take().exit_code == 0
