"""What is said when an instance cannot be reached; real servers are in tests/live."""

from __future__ import annotations

import socket

import pytest
from pymysql._auth import ed25519_password
from pymysql.err import OperationalError

from backups.engines.base import Login
from backups.exceptions import InstanceUnreachable
from backups.instances.connection import connect, explain, login_of
from backups.models import Instance

LOGIN = Login(user="bk", password="s3cret", host="db-1", port=3307)


def cannot_connect(cause: Exception) -> OperationalError:
    """As the client library raises it: with the cause beside it."""
    error = OperationalError(2003, f"Can't connect to MySQL server on 'db-1' ({cause})")
    error.original_exception = cause  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("error", "words", "hint"),
    [
        (cannot_connect(ConnectionRefusedError()), "connection refused", "server runs"),
        (cannot_connect(TimeoutError()), "no answer in time", "firewall"),
        (cannot_connect(socket.gaierror()), "unknown host", "host name"),
        (cannot_connect(FileNotFoundError()), "no such socket", "where its socket is"),
        (cannot_connect(PermissionError()), "socket not permitted", "reach the socket"),
        (OperationalError(1040, "Too many connections"), "too many connections", "quieter"),
        (OperationalError(1130, "Host 'x' is not allowed"), "may not connect", "Create the user"),
        (OperationalError(2026, "SSL connection error"), "TLS failed", "certificates"),
        (OperationalError(4711, "something new"), "something new", ""),
    ],
)
def test_where_why_and_what_to_do(error: Exception, words: str, hint: str) -> None:
    explained = explain(error, LOGIN)
    assert str(explained).startswith("cannot connect to db-1:3307: ")
    assert words in str(explained)
    assert hint in explained.hint
    assert "s3cret" not in str(explained) + explained.hint


@pytest.mark.parametrize("number", [1045, 1698])
def test_access_denied_comes_with_the_statements_for_this_host(number: int) -> None:
    denied = "Access denied for user 'bk'@'10.0.0.5' (using password: YES)"
    explained = explain(OperationalError(number, denied), LOGIN)
    assert str(explained) == "cannot connect to db-1:3307: access denied for user bk@10.0.0.5"
    assert "CREATE USER `bk`@`10.0.0.5` IDENTIFIED BY '...';" in explained.hint
    assert "s3cret" not in str(explained) + explained.hint


def test_an_account_of_ed25519_can_log_in() -> None:
    assert len(ed25519_password("pässwörd €".encode(), bytes(32))) == 64


@pytest.mark.parametrize("host", ["db..example.org", "x" * 64 + ".example.org"])
def test_what_is_no_host_name_is_unreachable(host: str) -> None:
    with pytest.raises(InstanceUnreachable, match="invalid host name"):
        connect(Login(user="bk", password="s3cret", host=host))


def test_a_socket_is_named_instead_of_host_and_port() -> None:
    with pytest.raises(InstanceUnreachable, match=r"cannot connect to /nowhere/s\.sock: no such"):
        connect(Login(user="bk", password="s3cret", socket="/nowhere/s.sock"))


def test_a_login_does_not_print_its_password() -> None:
    instance = Instance(name="orders-1", user="bk")
    instance.set_password("s3cret")
    login = login_of(instance)
    assert login.password == "s3cret"
    assert "s3cret" not in repr(login)


@pytest.mark.parametrize("cause", [ConnectionResetError(104, "reset"), BrokenPipeError(), None])
def test_a_connection_that_the_server_ended_has_a_hint(cause: OSError | None) -> None:
    error = OperationalError(2013, "Lost connection to MySQL server during query")
    error.__context__ = cause
    assert explain(error, LOGIN).hint == "Check that the server runs, and its error log."
