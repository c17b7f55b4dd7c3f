"""How do packets of the client protocol travel, and what does a server answer in them?

Source: MySQL's and MariaDB's documentation of the client/server protocol.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Sequence

# A payload of this length goes on in the next packet.
LONGEST_PAYLOAD = 0xFFFFFF
_HEADER = struct.Struct("<I")
# What a replica sends is short; more is nothing a replica sends. Its GTID set may be long.
_LONGEST_REQUEST = 16 * 1024 * 1024 - 2
_AUTOCOMMIT = 2
_TEXT = 253
_UTF8 = 33
_COLUMN_BYTES = 1024


class LinkEnded(Exception):
    """The replica has closed the connection, or does not speak the protocol."""


class Wire:
    """One connection, seen from the server's side."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        # Of the next packet to send.
        self._number = 0

    def receive(self) -> bytes:
        """Return the next payload; LinkEnded where the connection has ended."""
        header = self._read(4)
        length, self._number = int.from_bytes(header[:3], "little"), (header[3] + 1) % 256
        if length > _LONGEST_REQUEST:
            raise LinkEnded(f"a replica sent a packet of {length} bytes")
        return self._read(length)

    def send(self, payload: bytes) -> None:
        """Send one payload."""
        self.send_all((payload,))

    def send_all(self, payloads: Iterable[bytes | memoryview]) -> None:
        """Send payloads, each as a packet, or as several where it is long."""
        parts: list[bytes | memoryview] = []
        number, add = self._number, parts.append
        for payload in payloads:
            length = len(payload)
            if length < LONGEST_PAYLOAD:
                add(_HEADER.pack(length | number << 24))
                number = (number + 1) & 0xFF
                add(payload)
                continue
            view = memoryview(payload)
            for start in range(0, length + 1, LONGEST_PAYLOAD):
                piece = view[start : start + LONGEST_PAYLOAD]
                add(_HEADER.pack(len(piece) | number << 24))
                number = (number + 1) & 0xFF
                add(piece)
        self._number = number
        try:
            self._link.sendall(b"".join(parts))
        except OSError as exc:
            raise LinkEnded(f"the replica is gone: {exc.strerror}") from None

    def _read(self, count: int) -> bytes:
        content = bytearray()
        while len(content) < count:
            try:
                received = self._link.recv(count - len(content))
            except OSError as exc:
                raise LinkEnded(f"the replica is gone: {exc.strerror}") from None
            if not received:
                raise LinkEnded("the replica has closed the connection")
            content += received
        return bytes(content)


def ok_packet() -> bytes:
    return b"\0\0\0" + struct.pack("<HH", _AUTOCOMMIT, 0)


def end_packet() -> bytes:
    return b"\xfe" + struct.pack("<HH", 0, _AUTOCOMMIT)


def error_packet(code: int, text: str) -> bytes:
    return b"\xff" + struct.pack("<H", code) + b"#HY000" + text.encode()[:500]


def result_packets(columns: Sequence[str], row: Sequence[str]) -> list[bytes]:
    """Return a result of one row."""
    fixed = struct.pack("<BHIBHBH", 12, _UTF8, _COLUMN_BYTES, _TEXT, 0, 0, 0)
    described = [b"".join(map(_text, ("def", "", "", "", name, ""))) + fixed for name in columns]
    cells = b"".join(map(_text, row))
    return [bytes([len(columns)]), *described, end_packet(), cells, end_packet()]


def _text(value: str) -> bytes:
    """Return a short text after its length."""
    content = value.encode()[:250]
    return bytes([len(content)]) + content
