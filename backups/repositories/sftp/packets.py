"""How are the requests and responses of SFTP version 3 written? Pure.

Every length that the other side sends is checked against what has arrived.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

VERSION = 3
# OpenSSH sends no larger packet; what is larger is no SFTP, but a text for people, as of a login.
MAX_PACKET_BYTES = 256 * 1024 + 1024
# What every server takes in one read or write.
SMALLEST_PIECE = 32 * 1024
# What OpenSSH takes, and we never exceed.
LARGEST_PIECE = 255 * 1024


class Kind(IntEnum):
    """Types of packets."""

    INIT = 1
    SERVER_VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    RENAME = 18
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Code(IntEnum):
    """Codes of a status."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    UNSUPPORTED = 8


# Flags of OPEN.
FOR_READING, FOR_WRITING, CREATE, EXCLUSIVE = 0x01, 0x02, 0x08, 0x20

_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 0x1, 0x2, 0x4, 0x8, 0x80000000


class NotSftp(Exception):
    """What arrived is no packet of this protocol."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a server says of a file; None is what it does not say."""

    size: int | None = None
    mode: int | None = None
    modified: int | None = None


class Fields:
    """The fields of a packet, read one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def byte(self) -> int:
        return self._take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def long(self) -> int:
        return int.from_bytes(self._take(8), "big")

    def text(self) -> bytes:
        return self._take(self.number())

    def attributes(self) -> Attributes:
        flags = self.number()
        size = self.long() if flags & _HAS_SIZE else None
        if flags & _HAS_OWNER:
            self._take(8)
        mode = self.number() if flags & _HAS_MODE else None
        modified = None
        if flags & _HAS_TIMES:
            self._take(4)
            modified = self.number()
        if flags & _HAS_MORE:
            for _ in range(self.number()):
                self.text(), self.text()
        return Attributes(size, mode, modified)

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        while self._at < len(self._content):
            yield self.text(), self.text()

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._content):
            raise NotSftp("a packet ends early")
        taken = self._content[self._at : end]
        self._at = end
        return taken


def packet(kind: Kind, number: int, *fields: bytes) -> bytes:
    """Return a request with its number, or the first packet with the version."""
    body = b"".join(fields)
    return struct.pack(">IBI", 5 + len(body), kind, number) + body


def text(content: bytes | str) -> bytes:
    encoded = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return struct.pack(">I", len(encoded)) + encoded


def number(value: int) -> bytes:
    return struct.pack(">I", value)


def long(value: int) -> bytes:
    return struct.pack(">Q", value)


def mode(value: int) -> bytes:
    """Attributes with nothing but permissions."""
    return struct.pack(">II", _HAS_MODE, value)


NO_ATTRIBUTES = number(0)
