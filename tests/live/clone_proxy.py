"""A network between us and a donor that breaks where a test wants it to.

Follows the packets of connections without TLS, so that it knows which state a clone is in.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import BinaryIO

from tests.live.server import free_port

_CLONE = b"\x20"
# A descriptor, of InnoDB's, of version 100, of a state: then its number, and whether it starts.
_STATE = struct.Struct(">BBxIIII28xH")
_DESCRIPTION, _INNODB, _VERSION, _LENGTH, _STATE_TYPE, _START = 2, 12, 100, 46, 3, 1
INIT, FILE_COPY, PAGE_COPY, REDO_COPY, DONE = range(1, 6)


class BreakingProxy:
    """Passes connections on until ``after_bytes`` of ``state`` have come. Use as a context.

    Then all connections end, or with ``silently`` nothing more comes on any of them, and new
    ones are refused, until ``repair``.
    """

    def __init__(self, donor_port: int) -> None:
        self.port = free_port()
        self._donor_port = donor_port
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._state, self._left, self._silently = 0, 0, False
        self._in_state = False
        self.broken = threading.Event()

    def __enter__(self) -> BreakingProxy:
        self._begin(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.repair()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._end_all()
        for thread in self._threads:
            thread.join()

    def break_in(self, state: int, after_bytes: int, *, silently: bool = False) -> None:
        self._state, self._left, self._silently = state, after_bytes, silently
        self._in_state = False

    def repair(self) -> None:
        """End what hangs, and pass on new connections."""
        self._state = 0
        if self.broken.is_set():
            self._end_all()
        self.broken.clear()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            if self.broken.is_set():
                client.close()
                continue
            donor = socket.create_connection(("127.0.0.1", self._donor_port))
            for peer in (client, donor):
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets += (client, donor)
            self._begin(self._pass_on, client, donor, False)
            self._begin(self._pass_on, donor, client, True)

    def _pass_on(self, source: socket.socket, sink: socket.socket, from_donor: bool) -> None:
        with contextlib.suppress(OSError), source.makefile("rb") as packets:
            while packet := _read_packet(packets):
                allowed = self._look(packet, from_donor)
                sink.sendall(packet[:allowed])
                if allowed < len(packet):
                    self._break()
                if self.broken.is_set():
                    return
        if not self.broken.is_set():
            _end(source)
            _end(sink)

    def _look(self, packet: bytes, from_donor: bool) -> int:
        """Return how much of a packet still gets through."""
        with self._lock:
            began = _state_begun(packet[4:]) if from_donor else INIT * (packet[4:] == _CLONE)
            self._in_state |= bool(began) and began == self._state
            if not (self._in_state and from_donor and self._state):
                return len(packet)
            allowed = min(len(packet), self._left)
            self._left -= allowed
            return allowed

    def _break(self) -> None:
        self.broken.set()
        if not self._silently:
            self._end_all()

    def _end_all(self) -> None:
        with self._lock:
            for each in self._sockets:
                _end(each)
            self._sockets.clear()

    def _begin(self, work: object, *words: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=words, daemon=True)
        self._threads.append(thread)
        thread.start()


def _read_packet(stream: BinaryIO) -> bytes:
    """Return the next packet with its header, or what came of it before the end."""
    header = stream.read(4)
    return header + stream.read(int.from_bytes(header[:3], "little"))


def _state_begun(payload: bytes) -> int:
    """Return the state whose start this packet tells, 0 where it tells none."""
    if len(payload) != 3 + _LENGTH:
        return 0
    kind, engine, version, length, described, state, flags = _STATE.unpack_from(payload)
    wanted = (_DESCRIPTION, _INNODB, _VERSION, _LENGTH, _STATE_TYPE)
    is_state = (kind, engine, version, length, described) == wanted
    return int(state) if is_state and flags & _START else 0


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
