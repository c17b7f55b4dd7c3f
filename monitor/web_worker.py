"""How does the site stay free while clients send or receive slowly?

gunicorn's threads read a request and answer it: a few clients that send a byte now and then hold
them all. Here the main loop of a worker collects each request, and a thread gets it once it is
whole. What takes too long or too much to arrive is dropped, and a client that takes too long to
read its answer is cut off.
"""

from __future__ import annotations

import re
import struct
import time
from functools import partial
from selectors import EVENT_READ
from socket import SHUT_RDWR, SO_SNDTIMEO, SOL_SOCKET, socket
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

# For a whole request to arrive, and for an answer to be worked out and read.
ARRIVAL_SECONDS, ANSWER_SECONDS = 15.0, 60.0
# For a client to read anything of its answer at all.
STALLED_SECONDS = 2
# Headers of gunicorn's own limits fit; forms are much smaller than this.
HEADER_BYTES, REQUEST_BYTES = 64 << 10, 512 << 10
# Of all requests that arrive at one worker process.
ALL_BYTES = 32 << 20
_CHUNK = 64 << 10
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_REFUSALS = {
    411: b"Length Required",
    413: b"Content Too Large",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


class RequestRefused(Exception):
    """The request is not taken; its HTTP status code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def is_whole(data: bytes) -> bool:
    """Whether ``data`` is a whole request, or what gunicorn refuses at once; RequestRefused."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > HEADER_BYTES:
            raise RequestRefused(431)
        return False
    headers = data[: end + 2]
    if _CHUNKED.search(headers):
        raise RequestRefused(411)
    length = _LENGTH.search(headers)
    wanted = end + 4 + (int(length[1]) if length else 0)
    if wanted > REQUEST_BYTES:
        raise RequestRefused(413)
    return len(data) >= wanted


class Arriving:
    """A request that has not arrived as a whole."""

    def __init__(self, conn: TConn, data: bytes) -> None:
        self.conn = conn
        self.data = bytearray(data)
        self.until = time.monotonic() + ARRIVAL_SECONDS


# Any: gunicorn is untyped.
class CollectingWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker with threads, which get whole requests only."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._arriving: dict[TConn, Arriving] = {}
        self._answered_until: dict[TConn, float] = {}

    def enqueue_req(self, conn: TConn) -> None:
        """Collect the request of a connection that is new, or has something to read again."""
        left = conn.parser.unreader.take_buffered() if conn.parser else b""
        arriving = self._arriving[conn] = Arriving(conn, left)
        conn.sock.setblocking(False)
        if not self._go_on(arriving):
            self.poller.register(conn.sock, EVENT_READ, partial(self._receive, arriving))

    def finish_request(self, conn: TConn, fs: Any) -> None:
        self._answered_until.pop(conn, None)
        if fs.cancelled() or fs.exception() or not fs.result():
            # gunicorn would wait here for the client to close, and with it all others. The request
            # was read as a whole, so the kernel still delivers what is left of the answer.
            self.nr_conns -= 1
            conn.close()
            return
        super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Drop what takes too long; gunicorn calls this once a second."""
        super().murder_pending()
        now = time.monotonic()
        for arriving in [request for request in self._arriving.values() if request.until < now]:
            self._drop(arriving, registered=True)
        for conn in [conn for conn, until in self._answered_until.items() if until < now]:
            del self._answered_until[conn]
            # The thread that writes to it goes on with an error; closing it is its task.
            _shut_down(conn.sock)

    def _receive(self, arriving: Arriving, client: socket) -> None:
        try:
            chunk = client.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._drop(arriving, registered=True)
            return
        arriving.data += chunk
        if self._go_on(arriving):
            self.poller.unregister(client)

    def _go_on(self, arriving: Arriving) -> bool:
        """Hand over what is whole; False if the rest has to be waited for."""
        try:
            whole = is_whole(bytes(arriving.data))
            if (
                not whole
                and sum(len(request.data) for request in self._arriving.values()) > ALL_BYTES
            ):
                raise RequestRefused(503)
        except RequestRefused as exc:
            self._refuse(arriving, exc.code)
            return True
        if whole:
            self._hand_over(arriving)
        return whole

    def _hand_over(self, arriving: Arriving) -> None:
        conn = arriving.conn
        del self._arriving[conn]
        conn.init()
        conn.parser.unreader.unread(bytes(arriving.data))
        conn.sock.setsockopt(SOL_SOCKET, SO_SNDTIMEO, struct.pack("ll", STALLED_SECONDS, 0))
        self._answered_until[conn] = time.monotonic() + ANSWER_SECONDS
        super().enqueue_req(conn)

    def _refuse(self, arriving: Arriving, status: int) -> None:
        reason = _REFUSALS[status]
        answer = b"HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        try:
            arriving.conn.sock.send(answer % (status, reason))
        except OSError:
            self.log.debug("a refused client did not wait for its answer")
        self._drop(arriving, registered=False)

    def _drop(self, arriving: Arriving, *, registered: bool) -> None:
        del self._arriving[arriving.conn]
        if registered:
            self.poller.unregister(arriving.conn.sock)
        self.nr_conns -= 1
        _shut_down(arriving.conn.sock)
        arriving.conn.close()


def _shut_down(client: socket) -> None:
    try:
        client.shutdown(SHUT_RDWR)
    except OSError:
        # It was closed by the other side.
        return
