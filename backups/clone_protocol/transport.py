"""How are clone messages sent over a connection? In packets, as MySQL frames them.

A message is one packet, or several when it is longer than a packet can be; the sequence number
begins at 0 with every message. Payloads are read directly into a buffer of their own, which is
not written again.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import time
from typing import cast

from pymysql.connections import Connection

from backups.clone_protocol.envelope import (
    Answer,
    Command,
    Complete,
    Described,
    Failure,
    Response,
    parse_answer,
)
from backups.clone_protocol.errors import CloneError, ConnectionLost, DonorError, ProtocolError

COM_CLONE = 32
LONGEST_PACKET = (1 << 24) - 1
# Blocks are 1 MiB at 16 KiB pages; anything larger than this is invalid.
LONGEST_MESSAGE = 256 << 20
# Longer than a donor waits for anything: 30 minutes for an acknowledgement.
READ_TIMEOUT_SECONDS = 35 * 60.0
# The kernel detects a dead host much earlier: after 60 + 8 * 15 seconds.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 8}
_ERROR_PACKET = 0xFF
# Several pages of the page copy; blocks of the file copy, larger, are read past it.
_BUFFER_BYTES = 128 << 10
# Nothing follows these until the next command.
_LAST = {Response.COMPLETE, Response.ERROR, _ERROR_PACKET}


class CloneConnection:
    """One connection that speaks clone. Used by one thread; ``sever`` is for any."""

    def __init__(
        self,
        connection: Connection,
        name: str,
        *,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    ) -> None:
        """Take over a connection; ``name`` is used in errors."""
        self.name = name
        # The library has no public names for these; nothing else of it is used.
        self.server_version = str(vars(connection)["server_version"])
        self._socket = cast(socket.socket, vars(connection)["_sock"])
        # The server sends nothing unasked, so the library's own buffer is empty.
        self._file = self._socket.makefile("rb", buffering=_BUFFER_BYTES)
        self._connection = connection
        # Whether a command of ours is still unanswered.
        self.is_busy = False
        self.set_timeout(read_timeout_seconds)
        self._watch_peer()

    def set_timeout(self, seconds: float) -> None:
        """Bound every read and write from now on."""
        with contextlib.suppress(OSError):
            self._socket.settimeout(seconds)

    def begin(self) -> None:
        """Switch the connection to clone messages, or raise DonorError with the reason."""
        self._write(bytes((COM_CLONE,)))
        payload = self.receive(first_sequence=1)
        if payload[0] != 0:
            raise _refusal(payload, self.name)

    def send(self, command: Command, body: bytes = b"") -> None:
        """Send a command."""
        self.is_busy = True
        self._write(bytes((command,)) + body)

    def receive(self, *, first_sequence: int = 0) -> memoryview:
        """Return the next message whole: response byte and body."""
        header, packet = self._read_packet(first_sequence)
        packets = [packet]
        while header == LONGEST_PACKET:
            if len(packets) * LONGEST_PACKET > LONGEST_MESSAGE:
                raise ProtocolError(f"the donor sent a message of over {LONGEST_MESSAGE} bytes")
            header, packet = self._read_packet(first_sequence + len(packets))
            packets.append(packet)
        message = packets[0] if len(packets) == 1 else b"".join(packets)
        if not message:
            raise ProtocolError("the donor sent an empty message")
        return memoryview(message)

    def answer(self) -> Answer:
        """Return the next message, parsed; raise DonorError if it is an error of the donor."""
        return self.parse(self.receive())

    def parse(self, message: memoryview) -> Answer:
        self.is_busy = message[0] not in _LAST
        if message[0] == _ERROR_PACKET:
            # A server that is shut down answers outside the clone protocol.
            raise _refusal(message, self.name)
        answer = parse_answer(message)
        if isinstance(answer, Failure):
            raise DonorError(answer.code, answer.message)
        return answer

    def expect_complete(self) -> None:
        """Read the end of an answer without other content."""
        while not isinstance(answer := self.answer(), Complete):
            if isinstance(answer, Described):
                raise ProtocolError("the donor sent an unrequested descriptor")

    def discard(self, seconds: float) -> None:
        """Read and discard the rest of the last answer, for a limited time."""
        deadline = time.monotonic() + seconds
        while self.is_busy and (left := deadline - time.monotonic()) > 0:
            self.set_timeout(left)
            self.is_busy = self.receive()[0] not in _LAST

    def leave(self, seconds: float) -> None:
        """Send EXIT if the donor still responds."""
        with contextlib.suppress(CloneError):
            self.discard(seconds)
            if not self.is_busy:
                self.set_timeout(seconds)
                self.send(Command.EXIT)
                self.expect_complete()

    def close(self) -> None:
        """Close the connection, in order if the server still responds."""
        with contextlib.suppress(Exception):
            self._file.close()
            self._connection.close()

    def sever(self) -> None:
        """End the connection now; waiting calls raise ConnectionLost. From any thread."""
        with contextlib.suppress(OSError):
            # Not the TLS socket's own method, which is not thread-safe.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _read_packet(self, sequence: int) -> tuple[int, bytes]:
        header = self._read(4)
        length = int.from_bytes(header[:3], "little")
        if header[3] != sequence % 256:
            raise ProtocolError(f"the donor sent packet {header[3]} where {sequence % 256} was due")
        return length, self._read(length)

    def _read(self, size: int) -> bytes:
        try:
            received: bytes = self._file.read(size)
        except TimeoutError:
            raise ConnectionLost(
                f"the donor sent nothing on the {self.name} connection within the time-out"
            ) from None
        except (OSError, ValueError) as exc:
            raise ConnectionLost(f"the {self.name} connection was lost: {exc}") from None
        if len(received) != size:
            raise ConnectionLost(f"the donor ended the {self.name} connection")
        return received

    def _write(self, payload: bytes) -> None:
        packets = bytearray()
        for sequence, start in enumerate(range(0, len(payload) + 1, LONGEST_PACKET)):
            part = payload[start : start + LONGEST_PACKET]
            packets += struct.pack("<I", len(part) | (sequence % 256) << 24) + part
        try:
            self._socket.sendall(packets)
        except (OSError, ValueError) as exc:
            raise ConnectionLost(f"the {self.name} connection was lost: {exc}") from None

    def _watch_peer(self) -> None:
        if self._socket.family == socket.AF_UNIX:
            return
        for name, seconds in _KEEP_ALIVE.items():
            if hasattr(socket, name):
                self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)


def _refusal(payload: memoryview, name: str) -> DonorError | ProtocolError:
    """Return the error in an error packet of the ordinary protocol."""
    parsed = re.fullmatch(rb"\xff(..)(?:#.{5})?(.*)", bytes(payload), re.DOTALL)
    if parsed is None:
        return ProtocolError(f"the server did not start a clone on the {name} connection")
    code = int.from_bytes(parsed[1], "little")
    return DonorError(code, parsed[2].decode(errors="replace"))
