"""Which folder of which host is ``sftp://user@host:port/path``? Pure.

``/~/path`` is a path in the folder that the account starts in, for servers that allow no other.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from dataclasses import dataclass

from backups.exceptions import BadInput

SCHEME = "sftp://"
HOME = "~/"
DEFAULT_PORT = 22
# No beginning that ssh takes for an option, no mark that it replaces.
_USER = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._@+-]*")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class SftpPlace:
    """A folder of an account on another host."""

    user: str
    host: str
    # Without a slash at its end; a relative one is in the folder that the account starts in.
    folder: str
    port: int = DEFAULT_PORT

    @property
    def address(self) -> str:
        """The place as it is shown and stored."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port != DEFAULT_PORT else ""
        folder = self.folder if self.folder.startswith("/") else f"/{HOME}{self.folder}"
        return f"{SCHEME}{self.user}@{host}{port}{folder}"

    def path(self, name: str) -> str:
        """Return the path of an object there; without a name, of the folder."""
        return f"{self.folder}/{name}" if name else self.folder


def is_sftp_address(path: str) -> bool:
    return path.startswith(SCHEME)


def parse_address(address: str) -> SftpPlace:
    """Return the place of ``sftp://user@host:port/path``, or raise BadInput."""
    authority, slash, path = address.removeprefix(SCHEME).partition("/")
    user, at, server = authority.rpartition("@")
    if not is_sftp_address(address) or not at or not slash:
        raise BadInput(f"{_shown(address)} has no user or no path", hint=f"Enter {_FORM}.")
    if ":" in user:
        raise BadInput(
            "the address contains a password", hint="Mooring logs in with a key only: remove it."
        )
    if not _USER.fullmatch(user):
        raise BadInput(f"{user!r} is no user name of an SFTP server", hint=f"Enter {_FORM}.")
    if not path.isprintable():
        raise BadInput("the path has a character that cannot be printed")
    home = path.startswith(HOME)
    folder = posixpath.normpath(f"/{path.removeprefix(HOME).strip('/')}")
    if folder == "/":
        raise BadInput("the top folder cannot be a repository", hint=f"Enter {_FORM}.")
    if home:
        folder = folder.removeprefix("/")
    host, port = _split_server(server)
    return SftpPlace(user, host, folder, port)


_FORM = "sftp://USER@HOST/PATH or sftp://USER@HOST:PORT/PATH"


def _split_server(server: str) -> tuple[str, int]:
    if server.startswith("["):
        host, _, rest = server[1:].partition("]")
        port = rest.removeprefix(":")
        valid = _is_ipv6(host) and (not rest or rest.startswith(":"))
    else:
        host, _, port = server.partition(":")
        valid = _HOST.fullmatch(host) is not None
    if not valid:
        raise BadInput(f"{server or 'nothing'} is no name or address of a host")
    if not port:
        return host, DEFAULT_PORT
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise BadInput(f"{port} is no port")
    return host, int(port)


def _is_ipv6(host: str) -> bool:
    try:
        return "%" not in host and bool(ipaddress.IPv6Address(host))
    except ValueError:
        return False


def _shown(address: str) -> str:
    """The address without what may be a password."""
    before, at, after = address.rpartition("@")
    return f"{SCHEME}…@{after}" if at and ":" in before.removeprefix(SCHEME) else address
