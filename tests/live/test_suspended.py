"""The machine is suspended in the middle of a backup, for longer than leases last."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml

from scripts.processes import children
from tests.live.clock import Clock
from tests.live.mooring_site import (
    LEASE_SECONDS,
    Site,
    engines_of,
    private_site,
    redis,
    running,
    wait_until,
    worker,
)
from tests.live.server import LiveServer, free_port
from tests.live.suspended import suspended

pytestmark = pytest.mark.live

COPIES = "SELECT 1 FROM backups_job WHERE status = 'running' AND stored_bytes > 0"
ENDED = "SELECT status FROM backups_occurrence WHERE ended_at IS NOT NULL"
JOBS = "SELECT status FROM backups_job ORDER BY id"


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def site(mariadb: LiveServer, clock: Clock) -> Iterator[Site]:
    port = str(free_port())
    with (
        private_site(mariadb, MOORING_PORT=port, **clock.environment) as site,
        running([*redis(site.home)], site),
    ):
        wait_until(site.sockets().exists)
        yield site


def schedule(site: Site) -> None:
    """An hourly backup, the next in a few seconds."""
    anchor = datetime.now(UTC) - timedelta(hours=1) + timedelta(seconds=8)
    rhythm = {"every_hours": 1, "anchor_at": anchor.isoformat(), "retry_delay": "1s"}
    named = {"name": "hourly", "covers_all": True, "repositories": ["main"], **rhythm}
    file = site.home / "schedules.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "schedules": [named]}))
    assert site.manage("applyconfig", str(file)).get("error", "") == ""


@contextmanager
def most_engines(mariadb: LiveServer) -> Iterator[list[int]]:
    """Count the engines that are at work at the same time."""
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            most[0] = max(most[0], len(engines_of(mariadb)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def test_a_backup_is_taken_once_and_after_all(
    site: Site, mariadb: LiveServer, clock: Clock
) -> None:
    schedule(site)
    with worker(site), most_engines(mariadb) as most:
        wait_until(lambda: site.rows(COPIES), 60)
        with suspended():
            time.sleep(LEASE_SECONDS + 2)
        wait_until(lambda: site.rows(JOBS)[0][0] != "running")
        assert site.rows(ENDED) in ([], [("succeeded",)])
        wait_until(lambda: site.rows(ENDED), 150)
        assert site.rows(ENDED) == [("succeeded",)]
        *earlier, last = [status for (status,) in site.rows(JOBS)]
        assert (earlier, last) in (([], "succeeded"), (["lost"], "succeeded"))
        assert site.rows("SELECT count(*) FROM backups_backup") == [(1,)]
        assert site.rows("SELECT count(*) FROM backups_limitplace") == [(0,)]
    assert most == [1]


def test_the_site_shows_that_the_scheduler_stands_still(site: Site, clock: Clock) -> None:
    """Only the web goes on; then all does."""
    argv = {child.name: list(child.argv) for child in children(site.environment)}["web"]
    address = f"http://127.0.0.1:{site.environment['MOORING_PORT']}/healthz"

    def scheduler() -> str:
        try:
            return str(httpx.get(address).json()["scheduler"])
        except httpx.TransportError:
            return ""

    with worker(site) as workers:
        wait_until(lambda: site.rows("SELECT 1 FROM backups_tickheartbeat"))
        with running(argv, site):
            wait_until(lambda: scheduler() == "running")
            workers.signal(signal.SIGSTOP)
            clock.step(150)
            wait_until(lambda: scheduler() == "stopped")
            workers.signal(signal.SIGCONT)
            wait_until(lambda: scheduler() == "running", 60)
