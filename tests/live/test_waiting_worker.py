"""A worker that waits for messages ends when it is asked to, not when its wait is over."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings

from monitor.celery import app, end_wait

pytestmark = pytest.mark.live

PATIENCE = 20


@pytest.fixture
def socket() -> Iterator[Path]:
    """A Redis where the settings look for one."""
    path = Path(settings.CELERY_BROKER_URL.removeprefix("redis+socket://"))
    path.parent.mkdir(exist_ok=True)
    argv = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", ""]
    server = subprocess.Popen([*argv, "--dir", str(path.parent)], stdout=subprocess.DEVNULL)
    wait_until(path.exists)
    yield path
    server.terminate()
    server.wait()
    path.unlink(missing_ok=True)


def wait_until(happened: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_only_our_own_wait_ends(socket: Path) -> None:
    ours = app.conf.broker_transport_options["client_name"]
    waits = {}
    for name in (ours, "another"):
        client = redis.Redis(unix_socket_path=str(socket), client_name=name)
        waits[name] = threading.Thread(target=client.brpop, args=("nothing", 60), daemon=True)
        waits[name].start()
    watcher = redis.Redis(unix_socket_path=str(socket))

    def waiting() -> list[str]:
        return [one["name"] for one in watcher.client_list() if one["cmd"] == "brpop"]

    wait_until(lambda: len(waiting()) == 2)
    end_wait()
    waits[ours].join(PATIENCE)
    assert not waits[ours].is_alive()
    assert waiting() == ["another"]
    (other,) = (one["id"] for one in watcher.client_list() if one["name"] == "another")
    watcher.client_unblock(int(other))
    waits["another"].join(PATIENCE)
