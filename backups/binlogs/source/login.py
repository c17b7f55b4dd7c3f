"""Who may read from our source? One account, made for one replay.

MySQL proves its password by caching_sha2_password's short way, MariaDB by mysql_native_password.
Neither sends the password itself.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass, field

from backups.binlogs.source.wire import LinkEnded, Wire, error_packet, ok_packet

SHA2, NATIVE = "caching_sha2_password", "mysql_native_password"
_NONCE_BYTES = 20
# Of the answer to the short way.
_MORE_DATA, _FAST_OK = b"\x01", b"\x03"
_ACCESS_DENIED = 1045
# Long passwords, long flags, database at login, protocol 4.1, transactions, salted passwords.
_ABILITIES = 0x1 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000
_PLUGIN_AUTH, _LENENC_AUTH = 0x80000, 0x200000
_CHARSET, _AUTOCOMMIT = 33, 2


@dataclass(frozen=True, slots=True)
class SourceAccount:
    """The login of one replay."""

    user: str = field(default_factory=lambda: f"replay{secrets.token_hex(4)}")
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)


def admit(wire: Wire, account: SourceAccount, *, greeting_version: str, plugin: str) -> None:
    """Greet a client and check its login, or raise LinkEnded."""
    nonce = bytes(1 + secrets.randbelow(127) for _ in range(_NONCE_BYTES))
    wire.send(_greeting(nonce, greeting_version, plugin))
    user, proof, used = _read_login(wire.receive())
    if used != plugin:
        # It began with another plugin's proof: ask for ours.
        wire.send(b"\xfe" + plugin.encode() + b"\0" + nonce + b"\0")
        proof = wire.receive()
    expected = _proof(account.password.encode(), nonce, plugin)
    if user != account.user or not hmac.compare_digest(proof, expected):
        wire.send(error_packet(_ACCESS_DENIED, "access denied"))
        raise LinkEnded("a client that is not the replica tried to log in")
    if plugin == SHA2:
        wire.send(_MORE_DATA + _FAST_OK)
    wire.send(ok_packet())


def _greeting(nonce: bytes, version: str, plugin: str) -> bytes:
    abilities = _ABILITIES | _PLUGIN_AUTH
    return b"".join(
        (
            b"\x0a" + version.encode() + b"\0",
            struct.pack("<I", 1) + nonce[:8] + b"\0",
            struct.pack("<HBH", abilities & 0xFFFF, _CHARSET, _AUTOCOMMIT),
            struct.pack("<HB", abilities >> 16, _NONCE_BYTES + 1) + bytes(10),
            nonce[8:] + b"\0" + plugin.encode() + b"\0",
        )
    )


def _read_login(payload: bytes) -> tuple[str, bytes, str]:
    """Return user, proof and the plugin whose proof it is."""
    try:
        (abilities,) = struct.unpack_from("<I", payload)
        user, _, rest = payload[32:].partition(b"\0")
        length = rest[0]
        proof, rest = rest[1 : 1 + length], rest[1 + length :]
        if abilities & 0x8:
            rest = rest.partition(b"\0")[2]
        plugin = rest.partition(b"\0")[0] if abilities & _PLUGIN_AUTH else NATIVE.encode()
    except (struct.error, IndexError):
        raise LinkEnded("a client sent no whole login") from None
    return user.decode(errors="replace"), proof, plugin.decode(errors="replace")


def _proof(password: bytes, nonce: bytes, plugin: str) -> bytes:
    """Return what a client that knows the password sends."""
    if plugin == SHA2:
        first = hashlib.sha256(password).digest()
        second = hashlib.sha256(hashlib.sha256(first).digest() + nonce).digest()
    else:
        # The protocol's own, of a password that is random and used once.
        first = hashlib.sha1(password, usedforsecurity=False).digest()
        stored = hashlib.sha1(first, usedforsecurity=False).digest()
        second = hashlib.sha1(nonce + stored, usedforsecurity=False).digest()
    return bytes(a ^ b for a, b in zip(first, second, strict=True))
