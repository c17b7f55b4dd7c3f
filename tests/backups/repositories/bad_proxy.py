"""A proxy before an object store that does what networks and stores do on bad days."""

from __future__ import annotations

import itertools
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Action = Callable[["BadHandler", bytes], None]
# What is between two hops only.
HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclass
class BadProxy:
    """Passes requests on; the next ones of a method may have a fault."""

    upstream: tuple[str, int]
    faults: list[tuple[str, str, Action]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    # The same, with the headers.
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    port: int = 0
    tls: bool = False

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def fail(self, method: str, action: Action, times: int = 1, part: str = "") -> None:
        """Have the next requests of a method fail, or those with ``part`` in their path."""
        self.faults += [(method, part, action)] * times

    def fail_all(self, action: Action, part: str = "") -> None:
        """Have every request fail, or every one with ``part`` in its path."""
        for method in ("GET", "PUT", "POST", "HEAD", "DELETE"):
            self.fail(method, action, times=999, part=part)

    def take(self, method: str, path: str) -> Action | None:
        self.requests.append((method, path))
        for fault in self.faults:
            if fault[0] == method and fault[1] in path:
                self.faults.remove(fault)
                return fault[2]
        return None

    def count(self, method: str) -> int:
        return sum(seen == method for seen, _ in self.requests)


class BadHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: BadProxy

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.proxy.seen.append((self.command, self.path, headers))
        action = self.proxy.take(self.command, self.path)
        (action or pass_on)(self, body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_request

    def ask(self, body: bytes) -> tuple[HTTPResponse, bytes]:
        """Return the response of the store."""
        upstream = HTTPConnection(*self.proxy.upstream)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        upstream.request(self.command, self.path, body, headers)
        response = upstream.getresponse()
        content = response.read()
        upstream.close()
        return response, content

    def answer(self, response: HTTPResponse, content: bytes, sent: bytes | None = None) -> None:
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in {*HOP, "content-length", "server", "date"}:
                self.send_header(name, value)
        length = response.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        self.wfile.write(content if sent is None else sent)

    def hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Be silent."""


def pass_on(handler: BadHandler, body: bytes) -> None:
    handler.answer(*handler.ask(body))


def refuse(status: int, code: str, more: str = "") -> Action:
    """Answer in the store's place."""

    def action(handler: BadHandler, body: bytes) -> None:
        content = f"<Error><Code>{code}</Code><Message>no</Message>{more}</Error>".encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/xml")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    return action


def say_time(moment: datetime) -> Action:
    """Refuse with another time of the store's clock."""

    def action(handler: BadHandler, body: bytes) -> None:
        handler.send_response_only(400)
        handler.send_header("Date", format_datetime(moment, usegmt=True))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return action


def say(text: str) -> Action:
    """Answer as a server does that is something else."""

    def action(handler: BadHandler, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(text.encode())))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return action


def list_many(bucket: str, prefix: str, count: int) -> Action:
    """Answer a list in the store's place, 1000 names a page."""

    def action(handler: BadHandler, body: bytes) -> None:
        query = parse_qs(urlsplit(handler.path).query)
        start = int(query.get("continuation-token", ["0"])[0])
        end = min(start + 1000, count)
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < count else ""
        rows = "".join(
            f"<Contents><Key>{prefix}/{number:09}</Key><Size>1</Size><ETag>x</ETag>"
            "<LastModified>2026-11-30T08:00:00.000Z</LastModified></Contents>"
            for number in range(start, end)
        )
        content = (
            f"<ListBucketResult><Name>{bucket}</Name><KeyCount>{end - start}</KeyCount>"
            f"<IsTruncated>{str(end < count).lower()}</IsTruncated>{more}{rows}</ListBucketResult>"
        ).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return action


def cut_off(handler: BadHandler, body: bytes) -> None:
    """Break the connection before the answer."""
    handler.hang_up()


def reset(handler: BadHandler, body: bytes) -> None:
    """Have the connection reset, as a firewall does that has forgotten it."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    os.close(handler.connection.detach())


def reset_after(handler: BadHandler, body: bytes) -> None:
    """Have the store do it, and the connection reset."""
    handler.ask(body)
    reset(handler, body)


def cut_answer(handler: BadHandler, body: bytes) -> None:
    """Break the connection in the middle of the answer."""
    response, content = handler.ask(body)
    handler.answer(response, content, content[: len(content) // 2])
    handler.hang_up()


def add_bytes(handler: BadHandler, body: bytes) -> None:
    """Send more than the store does."""
    response, content = handler.ask(body)
    handler.answer(response, content + b"more")


def lose_answer(handler: BadHandler, body: bytes) -> None:
    """Have the store do it, and nobody see that."""
    handler.ask(body)
    handler.hang_up()


def drip(handler: BadHandler, body: bytes) -> None:
    """Answer slower than the least rate, a byte at a time."""
    response, content = handler.ask(body)
    with suppress(OSError):
        handler.answer(response, content, b"")
        for byte in content:
            time.sleep(0.2)
            handler.wfile.write(bytes([byte]))


def change_bytes(handler: BadHandler, body: bytes) -> None:
    """Send other bytes than the store does."""
    response, content = handler.ask(body)
    handler.answer(response, content, content[:-1] + bytes([content[-1] ^ 1]))


def after(count: int, action: Action) -> Action:
    """Pass so many requests on, and have all later ones fail."""
    seen = itertools.count()

    def later(handler: BadHandler, body: bytes) -> None:
        (pass_on if next(seen) < count else action)(handler, body)

    return later


class Stale:
    """Answers every list as the first one was answered: a listing that lags."""

    def __init__(self) -> None:
        self._first: tuple[HTTPResponse, bytes] | None = None

    def __call__(self, handler: BadHandler, body: bytes) -> None:
        self._first = self._first or handler.ask(body)
        handler.answer(*self._first)


def redirect_to(url: str) -> Action:
    def action(handler: BadHandler, body: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return action


def wait(seconds: float) -> Action:
    def action(handler: BadHandler, body: bytes) -> None:
        time.sleep(seconds)
        pass_on(handler, body)

    return action


def hang(handler: BadHandler, body: bytes) -> None:
    """Do nothing with the request, and answer nothing."""
    time.sleep(1.5)
    handler.hang_up()


@contextmanager
def bad_proxy(upstream: tuple[str, int], tls: ssl.SSLContext | None = None) -> Iterator[BadProxy]:
    proxy = BadProxy(upstream, tls=tls is not None)
    handler = type("Handler", (BadHandler,), {"proxy": proxy})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield proxy
    server.shutdown()
    server.server_close()
