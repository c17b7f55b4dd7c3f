"""How is the donor connected to? Connections with the requested TLS mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pymysql
from pymysql.connections import Connection

from backups.clone_protocol.errors import CloneError
from backups.logins.guard import GuardedConnection, PasswordWithheld
from backups.logins.session import begin_session
from backups.logins.tls import NO_CERTIFICATES, Certificates, Tls, tls_options

__all__ = ["Certificates", "Connect", "Endpoint", "Tls"]

Connect = Callable[[], Connection]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and a user on it. A socket is used instead of host and port."""

    user: str
    password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 3306
    socket: str = ""
    tls: Tls = Tls.PREFERRED
    certificates: Certificates = NO_CERTIFICATES
    connect_timeout_seconds: int = 10

    # Any: the client library's options are of many types.
    def connect(self, **more: Any) -> Connection:
        """Open a connection, or raise CloneError; ``more`` overrides the defaults."""
        usual: dict[str, Any] = {
            # Also bounds the handshake; a clone sets its own time-out afterwards.
            "read_timeout": self.connect_timeout_seconds,
            "write_timeout": self.connect_timeout_seconds,
        }
        try:
            connection = GuardedConnection(
                user=self.user,
                # The client library knows Latin-1 only.
                password=self.password.encode(),
                host=self.host,
                port=self.port,
                unix_socket=self.socket or None,
                connect_timeout=self.connect_timeout_seconds,
                charset="utf8mb4",
                program_name="mooring",
                **tls_options(self.tls, self.certificates),
                **(usual | more),
            )
            begin_session(connection)
        except (pymysql.err.Error, OSError, RuntimeError) as exc:
            where = self.socket or f"{self.host}:{self.port}"
            reason = exc.args[-1] if exc.args else type(exc).__name__
            hint = exc.hint if isinstance(exc, PasswordWithheld) else ""
            raise CloneError(f"cannot connect to {where}: {reason}", hint=hint) from None
        return connection
