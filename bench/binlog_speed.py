"""How much processor does receiving take: at full speed, and per megabyte of small events?

The source is a process of its own that sends forged events over a socket: only the receiver's
processor counts.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from pymysql.connections import Connection

from backups.binlogs.dump.errors import StreamEnded
from backups.binlogs.dump.receive import Reception
from backups.binlogs.dump.spool import SpoolWriter
from backups.binlogs.dump.stream import EventStream
from backups.binlogs.events.header import FLAG_ARTIFICIAL, HEADER, EventType

FILE = "bench.000001"
# As in a table with short rows: GTID, BEGIN, table map, rows, commit.
SMALL = ((EventType.MARIADB_GTID, 42), (EventType.TABLE_MAP, 60), (23, 480), (EventType.XID, 31))
LARGE = (
    (EventType.MARIADB_GTID, 42),
    (EventType.TABLE_MAP, 60),
    (23, 14 << 20),
    (EventType.XID, 31),
)


def receive_speed(shape: tuple[tuple[int, int], ...], total: int) -> tuple[float, float]:
    """Receive ``total`` bytes; return the processor seconds and the wall seconds."""
    ours, theirs = socket.socketpair()
    source = multiprocessing.get_context("fork").Process(
        target=_send, args=(theirs, ours, shape, total)
    )
    source.start()
    theirs.close()
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as folder:
        # Any: of a connection only the socket is used.
        stream = EventStream(cast("Connection[Any]", _Wire(ours)), semi_sync=False)
        writer = SpoolWriter(Path(folder), FILE, 4, None)
        began, cpu = time.perf_counter(), _cpu_seconds()
        with suppress(StreamEnded):
            Reception(stream, writer, silence_seconds=30).run()
        writer.close()
        cost = _cpu_seconds() - cpu, time.perf_counter() - began
        size = (Path(folder) / FILE).stat().st_size
    stream.close()
    source.join()
    assert size >= total, f"only {size} bytes arrived"
    return cost


class _Wire:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def _force_close(self) -> None:
        self._sock.close()


def _send(
    sock: socket.socket, other: socket.socket, shape: tuple[tuple[int, int], ...], total: int
) -> None:
    other.close()
    batch = bytearray()
    for event in _events(shape, total):
        payload = b"\0" + event
        for number, start in enumerate(range(0, len(payload) + 1, 0xFFFFFF)):
            part = payload[start : start + 0xFFFFFF]
            batch += struct.pack("<I", len(part) | number % 256 << 24) + part
        if len(batch) > 1 << 20:
            sock.sendall(batch)
            batch.clear()
    sock.sendall(batch)
    sock.close()


def _events(shape: tuple[tuple[int, int], ...], total: int) -> Iterator[bytes]:
    yield _event(EventType.ROTATE, struct.pack("<Q", 4) + FILE.encode(), 0, FLAG_ARTIFICIAL)
    body = struct.pack("<H50sIB", 4, b"10.11.18-MariaDB", 0, 19) + bytes(40) + b"\x01"
    at = 4 + HEADER.size + len(body) + 4
    yield _event(EventType.FORMAT_DESCRIPTION, body, at)
    number = 0
    bodies = {kind: os.urandom(size - HEADER.size - 4) for kind, size in shape}
    while at < total:
        number += 1
        for kind, size in shape:
            at += size
            body = bodies[kind]
            if kind == EventType.MARIADB_GTID:
                body = struct.pack("<QIB", number, 0, 0) + bytes(size - HEADER.size - 4 - 13)
            yield _event(kind, body, at)


def _event(kind: int, body: bytes, log_pos: int, flags: int = 0) -> bytes:
    size = HEADER.size + len(body) + 4
    content = HEADER.pack(1_700_000_000, kind, 1, size, log_pos % (1 << 32), flags) + body
    return content + zlib.crc32(content).to_bytes(4, "little")


def _cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system
