"""What a source sends, on a pair of sockets: packets as a server frames them."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from pymysql.connections import Connection

from backups.binlogs.dump.stream import LONGEST_PACKET, EventStream
from backups.binlogs.events.header import FLAG_ARTIFICIAL, HEADER, EventType
from tests.backups.binlogs.made import events_of


class Wire:
    """The client's side of a connection, as far as a stream uses it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def _force_close(self) -> None:
        self._sock.close()


def packets(payload: bytes, sequence: int = 0) -> bytes:
    """Frame a payload in as many packets as it needs."""
    framed = bytearray()
    for number, start in enumerate(range(0, len(payload) + 1, LONGEST_PACKET)):
        part = payload[start : start + LONGEST_PACKET]
        framed += struct.pack("<I", len(part) | ((sequence + number) % 256) << 24) + part
    return bytes(framed)


def event_packet(event: bytes, *, acknowledge: bool | None = None) -> bytes:
    """``acknowledge``: of a semi-synchronous source, whether it waits for an answer."""
    header = b"" if acknowledge is None else bytes((0xEF, acknowledge))
    return packets(b"\0" + header + event)


def error_packet(code: int, text: str) -> bytes:
    return packets(b"\xff" + struct.pack("<H", code) + b"#HY000" + text.encode())


def artificial_rotate(name: str, position: int = 4) -> bytes:
    body = struct.pack("<Q", position) + name.encode()
    size = HEADER.size + len(body) + 4
    content = HEADER.pack(0, EventType.ROTATE, 7, size, 0, FLAG_ARTIFICIAL) + body
    return content + zlib.crc32(content).to_bytes(4, "little")


def heartbeat(position: int) -> bytes:
    content = HEADER.pack(0, EventType.HEARTBEAT, 7, HEADER.size + 14, position, 0) + b"bin.000001"
    return content + zlib.crc32(content).to_bytes(4, "little")


def views(content: bytes, *, start: int = 4) -> list[memoryview]:
    """Return the events of a file from an offset on."""
    return [memoryview(event) for _, event, at in events_of(content) if at >= start]


@contextmanager
def stream_of(chunks: Iterable[bytes], *, semi_sync: bool = False) -> Iterator[EventStream]:
    """A stream that receives the chunks one after the other, and then the end."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        # The stream may end before it has taken everything.
        with theirs, contextlib.suppress(BrokenPipeError):
            for chunk in chunks:
                theirs.sendall(chunk)

    sender = threading.Thread(target=send)
    sender.start()
    # Any: a connection has many more methods.
    stream = EventStream(cast("Connection[Any]", Wire(ours)), semi_sync=semi_sync)
    try:
        yield stream
    finally:
        stream.close()
        sender.join()
