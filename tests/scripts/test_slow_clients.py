"""The site as gunicorn serves it, with clients that send and read slowly."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from monitor.web_worker import HEADER_BYTES, REQUEST_BYTES, RequestRefused, is_whole
from scripts.processes import ROOT, children
from tests.live.server import free_port

START_SECONDS = 60
SLOW_CLIENTS = 40
PASSWORD = "a long password"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slow")


@pytest.fixture(scope="module")
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and sends nothing: the address of ``orders-1``."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener


@pytest.fixture(scope="module")
def port(home: Path, silent: socket.socket) -> Iterator[int]:
    port = free_port()
    environment = {
        **os.environ,
        "MOORING_HOME": str(home),
        "MOORING_PORT": str(port),
        "MOORING_DJANGO_KEY": "x" * 50,
        "MOORING_SECRET_KEY": "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=",
        "DJANGO_SETTINGS_MODULE": "monitor.settings",
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("DATABASE_URL", None)
    for words in (
        ["migrate", "--verbosity", "0"],
        ["collectstatic", "--no-input", "-v", "0"],
        ["createsuperuser", "--no-input", "--username", "ada", "--email", "", "-v", "0"],
        ["addinstance", "orders-1", "--port", str(silent.getsockname()[1]), "--no-check"],
    ):
        argv = [sys.executable, str(ROOT / "manage.py"), *words]
        more = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        subprocess.run(argv, env={**environment, **more}, cwd=ROOT, check=True)
    web = next(child for child in children(environment) if child.name == "web")
    with (home / "web.log").open("wb") as log:
        site = subprocess.Popen(web.argv, env=environment, cwd=ROOT, stderr=log, stdout=log)
    try:
        wait_for(port, home / "web.log")
        yield port
    finally:
        site.send_signal(signal.SIGTERM)
        site.wait(30)


def wait_for(port: int, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text(encoding="utf-8"))


def healthz(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as response:
        return int(response.status)


def answer(client: socket.socket) -> bytes:
    client.settimeout(20)
    return client.recv(4096).split(b"\r\n")[0]


def clients(
    port: int, begin: bytes, stack: ExitStack, count: int = SLOW_CLIENTS
) -> list[socket.socket]:
    made = []
    for _ in range(count):
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        client.sendall(begin)
        made.append(client)
    return made


HEAD = b"POST /login/ HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"GET /login/ HT",
        HEAD + b"X-Slow: ",
        HEAD + b"Content-Length: 20\r\n\r\n",
        HEAD + b"Content-Length: 20\r\n\r\nusername=",
    ],
)
def test_clients_that_send_slowly_hold_up_nobody(port: int, begin: bytes) -> None:
    with ExitStack() as stack:
        clients(port, begin, stack)
        for _ in range(8):
            assert healthz(port) == 200


def test_a_request_in_pieces_is_answered(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        for piece in (b"GET /heal", b"thz HTTP/1.1\r\nHost: loc", b"alhost\r\n\r\n"):
            client.sendall(piece)
            assert healthz(port) == 200
        assert answer(client) == b"HTTP/1.1 200 OK"
        # The same connection again, and two requests at once.
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client.sendall(request + request)
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 2:
            chunk = client.recv(4096)
            assert chunk
            received += chunk


def test_a_request_that_never_arrives_is_dropped(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(HEAD)
        assert answer(client) == b""


def test_clients_that_read_nothing_are_cut_off(port: int, home: Path) -> None:
    files = [path for path in (home / "static").rglob("*.js") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size).relative_to(home)
    request = f"GET /{largest.as_posix()} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as stack:
        clients(port, request.encode(), stack, 16)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=45) as response:
            assert response.status == 200


def log_in(port: int) -> str:
    """Return the cookies of an admin, as one header."""
    jar = CookieJar()
    site = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    address = f"http://127.0.0.1:{port}/login/"
    site.open(address).close()
    token = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
    form = {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": token}
    site.open(address, urllib.parse.urlencode(form).encode()).close()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def test_a_server_that_says_nothing_holds_a_few_threads_only(port: int) -> None:
    cookies = log_in(port)
    token = re.search(r"csrftoken=(\w+)", cookies)
    assert token
    form = f"csrfmiddlewaretoken={token[1]}"
    request = (
        "POST /instances/orders-1/doctor/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Cookie: {cookies}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(form)}\r\n\r\n{form}"
    )
    with ExitStack() as stack:
        asked = clients(port, request.encode(), stack, 16)
        # Two of each process wait; the others are answered before those give up.
        answered: list[socket.socket] = []
        waiting = asked
        while len(answered) < 12:
            ready, _, _ = select.select(waiting, [], [], 8)
            assert ready, f"{len(answered)} of 16 were answered"
            answered += ready
            waiting = [client for client in waiting if client not in ready]
        assert {answer(client) for client in answered} == {b"HTTP/1.1 302 Found"}
        for _ in range(8):
            assert healthz(port) == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (HEAD + b"Content-Length: 9999999\r\n\r\n", b"413"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"411"),
        (HEAD + b"X: " + b"x" * HEADER_BYTES, b"431"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
def test_what_is_not_taken_is_refused(port: int, request_bytes: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(request_bytes)
        assert answer(client).split()[1] == status


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (HEAD + b"content-LENGTH: 3\r\n\r\nab", False),
        (HEAD + b"content-LENGTH: 3\r\n\r\nabc", True),
        # What gunicorn refuses need not be waited for.
        (HEAD + b"Content-Length: -1\r\n\r\n", True),
    ],
)
def test_whether_a_request_is_whole(data: bytes, whole: bool) -> None:
    assert is_whole(data) is whole


def test_a_request_of_any_length_is_refused_by_its_header() -> None:
    with pytest.raises(RequestRefused):
        is_whole(HEAD + b"Content-Length: %d\r\n\r\n" % REQUEST_BYTES)
