"""The wall clock is set while the installed processes run: forth and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.live.clock import Clock
from tests.live.mooring_site import (
    Site,
    private_site,
    redis,
    running,
    wait_until,
    worker,
)
from tests.live.server import LiveServer

pytestmark = pytest.mark.live

HOUR, YEAR = 3600, 366 * 86400
# Ticks of 10 s, on a busy machine.
SOON = 40


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def site(mariadb: LiveServer, clock: Clock) -> Iterator[Site]:
    with (
        private_site(mariadb, **clock.environment) as site,
        running([*redis(site.home)], site),
    ):
        wait_until(site.sockets().exists)
        yield site


def finished(site: Site, tick: str) -> datetime | None:
    rows = site.rows(f"SELECT finished_at FROM backups_tickheartbeat WHERE name = '{tick}'")
    if not rows or rows[0][0] is None:
        return None
    return datetime.fromisoformat(rows[0][0]).replace(tzinfo=UTC)


def is_alive(site: Site, clock: Clock) -> bool:
    """Whether ticks have run since the last step."""
    at = finished(site, "fail lost jobs")
    return at is not None and abs(clock.now() - at) < timedelta(seconds=SOON)


@pytest.mark.parametrize("seconds", [-HOUR, HOUR])
def test_ticks_go_on_when_the_clock_is_set(site: Site, clock: Clock, seconds: int) -> None:
    with worker(site):
        wait_until(lambda: is_alive(site, clock))
        clock.step(seconds)
        wait_until(lambda: is_alive(site, clock), SOON)


@pytest.mark.parametrize("seconds", [-HOUR, HOUR])
def test_no_running_job_is_lost(site: Site, clock: Clock, seconds: int) -> None:
    with worker(site):
        command = site.start("takebackup", "bank-1")
        wait_until(lambda: site.rows("SELECT 1 FROM backups_job WHERE stored_bytes > 0"))
        before = finished(site, "fail lost jobs")
        clock.step(seconds)
        # The tick that looks for lost jobs has looked meanwhile.
        wait_until(lambda: finished(site, "fail lost jobs") != before, SOON)
        said, _ = command.communicate(timeout=60)
        assert json.loads(said)["status"] == "succeeded"


def test_a_worker_that_dies_after_a_step_back_loses_its_job_soon(site: Site, clock: Clock) -> None:
    with worker(site) as first:
        command = site.start("takebackup", "bank-1")
        wait_until(lambda: site.rows("SELECT 1 FROM backups_job WHERE stored_bytes > 0"))
        clock.step(-HOUR)
        lease = "SELECT lease_expires_at FROM backups_job"
        old = site.rows(lease)
        wait_until(lambda: site.rows(lease) < old)
        first.kill()
    with worker(site):
        said, _ = command.communicate(timeout=60)
        assert json.loads(said)["status"] == "lost"


def test_a_year_ahead_expires_nothing_until_somebody_has_looked(site: Site, clock: Clock) -> None:
    with worker(site):
        assert site.manage("takebackup", "bank-1")["status"] == "succeeded"
        wait_until(lambda: finished(site, "expire backups"))
    clock.step(YEAR)
    held = (
        "SELECT 1 FROM backups_tickheartbeat "
        "WHERE name = 'expire backups' AND error LIKE '% is held: %'"
    )
    with worker(site):
        # Due at once: its last run is a year ago.
        wait_until(lambda: site.rows(held), SOON)
    assert site.rows("SELECT status FROM backups_backupcopy") == [("stored",)]
    assert site.rows("SELECT count(*) FROM backups_job WHERE operation = 'purge'") == [(0,)]
