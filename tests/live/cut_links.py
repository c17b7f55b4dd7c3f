"""Links that are cut in the middle: of a replay that we serve, and of a stream that we receive."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from backups.restores.replay.drive import Replay
from tests.live.binlog_folder import FolderBinlogs


class CutWhileRead(FolderBinlogs):
    """Cuts the link in the middle of events, three times or as often as wanted."""

    def __init__(self, binlogs: FolderBinlogs, wanted: int = 3) -> None:
        super().__init__(binlogs.folder)
        self._wanted = wanted
        self.replay: Replay | None = None
        self.cuts = 0

    def watch(self, replay: Replay) -> None:
        self.replay = replay

    def read(self, file: str, start: int, stop: int) -> Iterator[bytes]:
        for chunk in super().read(file, start, stop):
            half = len(chunk) // 2
            yield chunk[:half]
            source = self.replay.source if self.replay else None
            # Once for each connection: a link that is cut already says nothing.
            fresh = source is not None and source.connections > self.cuts
            if self.cuts < self._wanted and source is not None and fresh and half > 10_000:
                self.cuts += 1
                source.cut()
            yield chunk[half:]


class CuttingProxy:
    """Passes connections on, until all are ended after some number of bytes. Use as a context."""

    def __init__(self, port: int) -> None:
        self._source_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._left: int | None = None
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.cuts = 0

    def __enter__(self) -> CuttingProxy:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._end_all()
        for thread in self._threads:
            thread.join()

    def cut_after(self, size: int) -> None:
        """End every connection once the source has sent so many bytes more."""
        with self._lock:
            self._left = size

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            source = socket.create_connection(("127.0.0.1", self._source_port))
            with self._lock:
                self._sockets |= {client, source}
            self._begin(self._pass_on, client, source, False)
            self._begin(self._pass_on, source, client, True)

    def _pass_on(self, origin: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while content := origin.recv(1 << 16):
                allowed = self._allowed(len(content)) if counted else len(content)
                sink.sendall(content[:allowed])
                if allowed < len(content):
                    self._end_all()
                    return
        for each in (origin, sink):
            _end(each)

    def _allowed(self, size: int) -> int:
        with self._lock:
            if self._left is None or self._left >= size:
                self._left = None if self._left is None else self._left - size
                return size
            allowed, self._left = self._left, None
            self.cuts += 1
            return allowed

    def _end_all(self) -> None:
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for each in sockets:
            _end(each)

    def _begin(self, work: object, *words: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=words, daemon=True)
        self._threads.append(thread)
        thread.start()


def _end(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)
    link.close()
