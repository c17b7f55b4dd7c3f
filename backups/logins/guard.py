"""May a server have the password? PyMySQL gives it to any server that asks; this refuses.

A server chooses how a client logs in. A scramble of the password is given to all. The password
itself - in the clear, or encrypted with a key that only the server vouches for - is given where
the other side is known: over verified TLS and over a unix socket. MySQL's sha2 plugins need it
after every start of the server, so theirs is also given over unverified TLS within this host.
"""

from __future__ import annotations

import enum
import ipaddress
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymysql import _auth
from pymysql.connections import Connection
from pymysql.err import OperationalError

from backups.logins.tls import unverifying_context

# The client libraries' own number for: the authentication plugin reports an error.
WITHHELD = 2061
HINT = (
    "Set the instance's TLS to verify-ca or verify-identity with the CA of the server "
    "(MySQL: ca.pem in its data folder), or connect by its unix socket."
)
SCRAMBLES = {"mysql_native_password", "client_ed25519"}
CLEAR = {"mysql_clear_password", "dialog"}
SHA2 = {"sha256_password", "caching_sha2_password"}
# The server knows the scramble: it does not ask for the password.
_FAST_LOGIN = b"\x01\x03"


class PeerTrust(enum.Enum):
    """What is known of the other side of a connection."""

    VERIFIED = "verified TLS"
    SOCKET = "a unix socket"
    OPEN_SOCKET = "a unix socket in a folder that every user may write"
    LOOPBACK_TLS = "TLS within this host, not verified"
    UNVERIFIED_TLS = "TLS, not verified"
    PLAIN = "a connection without TLS"


_MAY_HAVE_CLEAR = {PeerTrust.VERIFIED, PeerTrust.SOCKET}
_MAY_HAVE_SHA2 = {*_MAY_HAVE_CLEAR, PeerTrust.OPEN_SOCKET, PeerTrust.LOOPBACK_TLS}


class PasswordWithheld(OperationalError):
    """The server requested the password on a connection that must not carry it."""

    hint = HINT


def refuse_unproven(plugin: str, trust: PeerTrust) -> None:
    """Raise PasswordWithheld if ``plugin`` would give the password to who knows whom."""
    if trust not in (_MAY_HAVE_SHA2 if plugin in SHA2 else _MAY_HAVE_CLEAR):
        raise PasswordWithheld(
            WITHHELD, f"the server asks for the password itself ({plugin}) over {trust.value}"
        )


# Any in the rest: the client library's packets and connections have no public types.
if TYPE_CHECKING:
    _Connection = Connection[Any]
else:
    # Not subscriptable at run time.
    _Connection = Connection


class GuardedConnection(_Connection):
    """A connection that gives its password to no unproven server."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, auth_plugin_map=_HANDLERS)

    def _create_ssl_ctx(self, options: Any) -> ssl.SSLContext:
        """Without options, encrypt where the server can."""
        if not options:
            return unverifying_context()
        # Its types leave it out.
        context: ssl.SSLContext = super()._create_ssl_ctx(options)  # type: ignore[misc]
        return context

    def peer_trust(self) -> PeerTrust:
        """Return what is known of the server, while the login goes on."""
        known = vars(self)
        if path := known["unix_socket"]:
            shared = Path(path).parent.stat().st_mode & stat.S_IWOTH
            return PeerTrust.OPEN_SOCKET if shared else PeerTrust.SOCKET
        if not isinstance(known["_sock"], ssl.SSLSocket):
            return PeerTrust.PLAIN
        if known["_sock"].context.verify_mode is ssl.CERT_REQUIRED:
            return PeerTrust.VERIFIED
        peer = ipaddress.ip_address(known["_sock"].getpeername()[0])
        return PeerTrust.LOOPBACK_TLS if peer.is_loopback else PeerTrust.UNVERIFIED_TLS

    def _get_server_information(self) -> None:
        super()._get_server_information()  # type: ignore[misc]
        # The library would answer this one at once, before any handler is called. A server that
        # needs it switches to it, as for any account that has another plugin than the default.
        if vars(self)["_auth_plugin_name"] == "sha256_password":
            self._auth_plugin_name = "mysql_native_password"

    def _process_auth(self, plugin: bytes, packet: Any, handler: Any = None) -> Any:
        name = plugin.decode("ascii", "replace")
        if name in CLEAR:
            refuse_unproven(name, self.peer_trust())
        elif name not in SCRAMBLES | SHA2:
            # Also the scramble of servers before 4.1, from which a password can be computed.
            raise PasswordWithheld(WITHHELD, f"the server asks for the login {name!r}, never given")
        return super()._process_auth(plugin, packet, handler)  # type: ignore[misc]


class _Sha256:
    """The handler of sha256_password, which always needs the password itself."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def authenticate(self, packet: Any) -> Any:
        if self._connection.password:
            refuse_unproven("sha256_password", self._connection.peer_trust())
        return _auth.sha256_password_auth(self._connection, packet)  # type: ignore[no-untyped-call]


class _CachingSha2:
    """The handler of caching_sha2_password, which needs it where the server has no scramble."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def authenticate(self, packet: Any) -> Any:
        connection = self._connection
        if connection.password and packet.is_auth_switch_request():
            connection.salt = packet.read_all().removesuffix(b"\0")
            connection.write_packet(
                _auth.scramble_caching_sha2(connection.password, connection.salt)
            )
            packet = connection._read_packet()
            packet.check_error()
        if connection.password and packet.get_all_data() != _FAST_LOGIN:
            refuse_unproven("caching_sha2_password", connection.peer_trust())
        return _auth.caching_sha2_password_auth(connection, packet)


_HANDLERS: dict[str, Callable[[Any], Any]] = {
    "sha256_password": _Sha256,
    "caching_sha2_password": _CachingSha2,
}
