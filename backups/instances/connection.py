"""How is an instance connected to? Returns a connection, or an error with cause and hint.

No error made here repeats a password: the client library's messages name user and host only,
and the login's own text leaves the password out.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.engines.base import Login
from backups.exceptions import InstanceUnreachable
from backups.instances.grants import create_statements
from backups.instances.login_errors import SAME_ANSWER, account_error
from backups.logins.guard import GuardedConnection, PasswordWithheld
from backups.logins.session import begin_session
from backups.logins.tls import Certificates, Tls, tls_options
from backups.models import Instance
from backups.models.instance import TlsMode

ACCESS_DENIED = {1045, 1698}
SERVER_GONE = "Check that the server runs, and its error log."
# Error number to message and hint.
_SERVER_ERRORS = {
    1040: ("too many connections", "Raise max_connections, or try again when it is quieter."),
    1129: ("this host is blocked after too many errors", "Run FLUSH HOSTS on the instance."),
    1130: ("this host may not connect", "Create the user for the host the worker runs on."),
    2026: ("TLS failed", "Check certificates and protocol versions of the instance."),
    2059: ("unknown authentication plugin", "Use mysql_native_password, ed25519 or caching_sha2."),
    3159: ("the server accepts TLS connections only", "Connect by its unix socket instead."),
}
_NETWORK_ERRORS: tuple[tuple[type[BaseException], str, str], ...] = (
    (
        ssl.SSLCertVerificationError,
        "the server's certificate is not proven",
        "Check the CA file of the instance, and the names in the server's certificate.",
    ),
    (ssl.SSLError, "TLS failed", "Check certificates and protocol versions of the instance."),
    (socket.gaierror, "unknown host", "Check the host name and the resolver of this machine."),
    (UnicodeError, "invalid host name", "Check the name for doubled dots and invalid characters."),
    (TimeoutError, "no answer in time", "Check firewall, host and port."),
    (ConnectionRefusedError, "connection refused", "Check that the server runs and its port."),
    (FileNotFoundError, "no such socket", "Check that the server runs and where its socket is."),
    (PermissionError, "socket not permitted", "Let the user of the worker reach the socket."),
    (ConnectionError, "the server closed the connection", SERVER_GONE),
)


def login_of(instance: Instance) -> Login:
    """Return how to log in to an instance, its password decrypted."""
    return Login(
        user=instance.user,
        password=instance.password(),
        host=instance.host,
        port=instance.port,
        socket=instance.socket,
        tls=_tls_of(instance),
        certificates=Certificates(
            instance.tls_ca_file, instance.tls_certificate_file, instance.tls_key_file
        ),
        engine=instance.engine,
    )


def _tls_of(instance: Instance) -> Tls:
    """Return how its connections are protected: by its address, where the row says no more."""
    if instance.tls != TlsMode.BY_ADDRESS:
        return Tls(instance.tls)
    return Tls.PREFERRED if instance.socket or is_this_host(instance.host) else Tls.REQUIRED


def is_this_host(host: str) -> bool:
    """Whether the address cannot leave this host. Names other than localhost are not resolved."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def connect(
    login: Login, *, connect_timeout: int = 10, read_timeout: int = 60
) -> Connection[DictCursor]:
    """Open a connection, rows as mappings, or raise InstanceUnreachable."""
    try:
        connection: Connection[DictCursor] = GuardedConnection(
            user=login.user,
            # The client library knows Latin-1 only.
            password=login.password.encode(),
            host=login.host,
            port=login.port,
            unix_socket=login.socket or None,
            connect_timeout=connect_timeout,
            # Also bounds the handshake: a port may be open and nothing behind it answer.
            read_timeout=connect_timeout,
            write_timeout=connect_timeout,
            charset="utf8mb4",
            autocommit=True,
            program_name="mooring",
            cursorclass=DictCursor,
            **tls_options(login.tls, login.certificates),
        )
        begin_session(connection)
    # ValueError: an invalid host name, such as one with two dots in a row.
    except (pymysql.err.Error, OSError, RuntimeError, ValueError) as exc:
        raise explain(exc, login) from None
    # Queries may take longer than a handshake; the library has no public name for this.
    setattr(connection, "_read_timeout", read_timeout)  # noqa: B010
    return connection


def fetch_rows(
    connection: Connection[DictCursor], sql: str, parameters: tuple[object, ...] = ()
) -> list[Mapping[str, Any]]:
    """Run one query. Any: a column may hold whatever the server keeps in it."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall())
    except (pymysql.err.Error, OSError) as exc:
        raise InstanceUnreachable(f"query failed on the instance: {_text(exc)}") from None


def explain(exc: Exception, login: Login) -> InstanceUnreachable:
    """Turn an error of the client library into one with address, cause and hint."""
    code = exc.args[0] if exc.args and isinstance(exc.args[0], int) else 0
    if problem := account_error(code, _text(exc), login):
        return InstanceUnreachable(f"{_where(login)}: {problem[0]}", hint=problem[1])
    if code in ACCESS_DENIED:
        return _denied(exc, login)
    if code in _SERVER_ERRORS:
        what, hint = _SERVER_ERRORS[code]
        return InstanceUnreachable(f"{_where(login)}: {what}", hint=hint)
    if isinstance(exc, PasswordWithheld):
        return InstanceUnreachable(f"{_where(login)}: {_text(exc)}", hint=exc.hint)
    cause = getattr(exc, "original_exception", None) or exc.__context__ or exc
    for kind, what, hint in _NETWORK_ERRORS:
        if isinstance(cause, kind):
            return InstanceUnreachable(f"{_where(login)}: {what}", hint=hint)
    return InstanceUnreachable(f"{_where(login)}: {_text(exc)}", hint=SERVER_GONE)


def _denied(exc: Exception, login: Login) -> InstanceUnreachable:
    # The server names the client host it saw: the account must exist for that host.
    seen = re.search(r"@'([^']*)'", _text(exc))
    host = seen[1] if seen else "localhost"
    statements = " ".join(create_statements(login.user, host, login.engine))
    return InstanceUnreachable(
        f"{_where(login)}: access denied for user {login.user}@{host}",
        hint=f"Check user and password, or create the user: {statements} {SAME_ANSWER}",
    )


def _where(login: Login) -> str:
    return f"cannot connect to {login.socket or f'{login.host}:{login.port}'}"


def _text(exc: Exception) -> str:
    """Return the message of an error without its number."""
    return str(exc.args[-1]) if exc.args else type(exc).__name__
