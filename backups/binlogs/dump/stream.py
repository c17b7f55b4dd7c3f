"""How do events arrive? As packets on a connection, some events in several packets.

Events are read in batches, as views of one buffer that is valid until the next batch. The buffer
grows while a source sends much, and is small again once it sends little.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import pymysql
from pymysql.connections import Connection

from backups.binlogs.dump.errors import StreamEnd, StreamEnded, explain_server_error
from backups.binlogs.events.header import HEADER
from backups.exceptions import BinlogDamaged

SMALL_BUFFER = 16 << 10
LARGEST_BUFFER = 8 << 20
LONGEST_PACKET = (1 << 24) - 1
# No server sends a longer event: it is what max_allowed_packet may be at most, and its header.
LONGEST_EVENT = (1 << 30) + (1 << 20)
# A packet that is longer goes into a buffer of its own.
_LONG = 1 << 20
_EVENT, _END, _ERROR = 0x00, 0xFE, 0xFF
_END_LENGTH = 9


@dataclass(slots=True)
class Batch:
    """Events in their order, and the places at which the source waits for an acknowledgement."""

    events: list[memoryview] = field(default_factory=list)
    # How many events had arrived with the last one that is to be acknowledged. 0: none is.
    acknowledge_after: int = 0


class EventStream:
    """One connection that sends events. Used by one thread; ``sever`` is for any."""

    def __init__(self, connection: Connection[Any], *, semi_sync: bool) -> None:
        """Take over a connection. Any: whatever its cursors are."""
        # The library has no public name; nothing else of it is used from here on.
        self._socket = cast(socket.socket, vars(connection)["_sock"])
        self._connection = connection
        self._semi_sync = semi_sync
        self._buffer = bytearray(SMALL_BUFFER)
        self._filled = 0
        # Of a batch that was handed out: how much of the buffer it takes.
        self._used = 0
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._severed = False
        # Whether something that is whole waits in the buffer, after what was handed out.
        self._more = False

    def begin(self, statements: Iterable[str], command: bytes, *, timeout_seconds: float) -> None:
        """Prepare the session and request the stream. No read may take longer from then on."""
        try:
            with self._connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        except pymysql.err.Error as exc:
            raise StreamEnded(StreamEnd.LOST, f"the session was not prepared: {exc}") from None
        self._socket.settimeout(timeout_seconds)
        self._send(command)

    def acknowledge(self, payload: bytes) -> None:
        self._send(payload)

    def wait(self, seconds: float) -> bool:
        """Whether something can be read within so many seconds."""
        if self._more:
            return True
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        return bool(self._poll.poll(seconds * 1000))

    def read(self) -> Batch:
        """Read what is there, at least something, and return its whole events."""
        self._discard_used()
        if not self._more:
            self._receive()
        self._more = False
        return self._take()

    def sever(self) -> None:
        """End the connection now, from any thread: a waiting ``read`` raises."""
        self._severed = True
        with contextlib.suppress(OSError):
            # Not the TLS socket's own method, which is not thread-safe.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._connection._force_close()  # type: ignore[attr-defined]

    def _discard_used(self) -> None:
        rest = self._filled - self._used
        if self._used:
            self._buffer[:rest] = self._buffer[self._used : self._filled]
            self._filled, self._used = rest, 0

    def _receive(self) -> None:
        size = len(self._buffer)
        if self._filled == size:
            self._resize(min(size * 4, LARGEST_BUFFER))
        with memoryview(self._buffer) as view:
            got = self._receive_into(view[self._filled :])
        self._filled += got
        if self._filled == size < LARGEST_BUFFER:
            self._resize(min(size * 4, LARGEST_BUFFER))
        elif self._filled < SMALL_BUFFER // 4 and size > SMALL_BUFFER:
            self._resize(SMALL_BUFFER)

    def _resize(self, size: int) -> None:
        # A new one: views of the old one may still be used.
        larger = bytearray(size)
        larger[: self._filled] = memoryview(self._buffer)[: self._filled]
        self._buffer = larger

    def _take(self) -> Batch:
        """Split the buffer into packets; a long one is read to its end."""
        batch = Batch()
        buffer, view = self._buffer, memoryview(self._buffer)
        at, filled = 0, self._filled
        begin = 7 if self._semi_sync else 5
        events = batch.events
        while filled - at >= begin:
            length = buffer[at] | buffer[at + 1] << 8 | buffer[at + 2] << 16
            end = at + 4 + length
            if buffer[at + 4] != _EVENT or length >= _LONG:
                # First what came before it.
                self._more = bool(events)
                if not events:
                    return self._take_other(at, length)
                break
            if end > filled:
                break
            events.append(view[at + begin : end])
            if self._semi_sync and buffer[at + 6]:
                batch.acknowledge_after = len(events)
            at = end
        self._used = at
        return batch

    def _take_other(self, at: int, length: int) -> Batch:
        """Take what is no event of ordinary length: the end of the stream, or a long event."""
        if self._buffer[at + 4] == _EVENT:
            return self._take_long(at, length)
        if at + 4 + length > self._filled:
            self._used = at
            return Batch()
        raise _end_of_stream(bytes(self._buffer[at + 4 : at + 4 + length]))

    def _take_long(self, at: int, length: int) -> Batch:
        """Read an event that is longer than the buffer should be, in all its packets."""
        needs_answer = self._semi_sync and self._buffer[at + 6] != 0
        whole = bytearray()
        begin = at + (7 if self._semi_sync else 5)
        left = at + 4 + length - begin
        while True:
            start = len(whole)
            whole += bytes(left)
            have = min(self._filled - begin, left)
            with memoryview(self._buffer) as view:
                whole[start : start + have] = view[begin : begin + have]
            self._used = begin + have
            self._read_rest(whole, start + have)
            if length < LONGEST_PACKET:
                break
            length = left = self._next_length()
            _refuse_endless(whole, left)
            begin = self._used
        # What is here of the next ones has to be taken before more is received.
        self._more = self._filled > self._used
        return Batch([memoryview(whole)], acknowledge_after=int(needs_answer))

    def _next_length(self) -> int:
        """Read the header of the packet that goes on with an event."""
        self._discard_used()
        while self._filled < 4:
            self._receive()
        self._used = 4
        return int.from_bytes(self._buffer[:3], "little")

    def _read_rest(self, part: bytearray, have: int) -> None:
        with memoryview(part) as view:
            while have < len(part):
                have += self._receive_into(view[have:])

    def _receive_into(self, view: memoryview) -> int:
        try:
            got = self._socket.recv_into(view)
        except (OSError, ValueError) as exc:
            raise self._lost(str(exc)) from None
        if not got:
            raise self._lost("the source closed the connection")
        return got

    def _send(self, payload: bytes) -> None:
        try:
            self._socket.sendall(struct.pack("<I", len(payload)) + payload)
        except (OSError, ValueError) as exc:
            raise self._lost(str(exc)) from None

    def _lost(self, cause: str) -> StreamEnded:
        if self._severed:
            return StreamEnded(StreamEnd.STOPPED, "receiving was stopped")
        return StreamEnded(StreamEnd.LOST, f"the connection to the source was lost: {cause}")


def _refuse_endless(event: bytearray, more: int) -> None:
    """Raise where an event goes on beyond the size that its header names, or any has."""
    size = min(HEADER.unpack_from(event)[3], LONGEST_EVENT)
    if len(event) + more > size:
        raise BinlogDamaged(
            f"the source sends an event of at least {len(event) + more} bytes, where at most "
            f"{size} can come"
        )


def _end_of_stream(payload: bytes) -> StreamEnded:
    """Return what a packet means that is no event."""
    if not payload:
        return StreamEnded(StreamEnd.LOST, "the source sent an empty packet")
    if payload[0] == _END and len(payload) < _END_LENGTH:
        return StreamEnded(StreamEnd.LOST, "the source ended the stream")
    parsed = re.fullmatch(rb"\xff(..)(?:#.{5})?(.*)", payload, re.DOTALL)
    if parsed is None:
        return StreamEnded(
            StreamEnd.LOST, f"the source sent a packet that begins with {payload[0]:#04x}"
        )
    code = int.from_bytes(parsed[1], "little")
    return explain_server_error(code, parsed[2].decode(errors="replace"))
