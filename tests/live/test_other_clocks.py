"""A worker on a host whose clock differs from that of PostgreSQL and of the other processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.private_postgres import private_postgres
from scripts.processes import children
from tests.live.clock import Clock
from tests.live.mooring_site import Site, private_site, redis, running, wait_until
from tests.live.server import LiveServer

pytestmark = pytest.mark.live

HOUR = 3600
TICKS = "SELECT finished_at FROM backups_tickheartbeat WHERE name = 'fail lost jobs'"
LASTED = "SELECT ended_at - started_at > interval '12 s' FROM backups_job"
COPIES = "SELECT 1 FROM backups_job WHERE status = 'running' AND stored_bytes > 0"


@pytest.fixture
def url() -> Iterator[str]:
    with private_postgres() as found:
        yield found


@pytest.fixture
def site(mariadb: LiveServer, url: str) -> Iterator[Site]:
    with (
        private_site(mariadb, throttle=3 << 19, DATABASE_URL=url) as site,
        running([*redis(site.home)], site),
    ):
        wait_until(site.sockets().exists)
        yield site


@contextmanager
def process(name: str, site: Site, clock: Clock) -> Iterator[running]:
    """One of a site's processes, on a host with a clock of its own."""
    environment = site.environment | {name: str(text) for name, text in clock.environment.items()}
    argv = {child.name: list(child.argv) for child in children(environment)}[name]
    with running(argv, replace(site, environment=environment)) as started:
        yield started


@pytest.mark.parametrize("name", ["worker", "control"])
@pytest.mark.parametrize("seconds", [-HOUR, HOUR])
def test_leases_go_by_one_clock(site: Site, tmp_path: Path, name: str, seconds: int) -> None:
    right, wrong = Clock(tmp_path / "right"), Clock(tmp_path / "wrong", seconds)
    clocks = {"worker": right, "control": right} | {name: wrong}
    with process("control", site, clocks["control"]):
        wait_until(lambda: site.rows(TICKS))
        with process("worker", site, clocks["worker"]) as worker:
            command = site.start("takebackup", "bank-1")
            wait_until(lambda: site.rows(COPIES))
            answer = json.loads(command.communicate(timeout=60)[0])
            assert (answer["status"], answer["error"]) == ("succeeded", "")
            # The tick that looks for lost jobs comes every 10 s: it has looked meanwhile.
            assert site.rows(LASTED) == [(True,)]
            command = site.start("takebackup", "bank-1", "--kind", "full")
            wait_until(lambda: site.rows(COPIES))
            worker.kill()
        answer = json.loads(command.communicate(timeout=60)[0])
        assert answer["status"] == "lost"
