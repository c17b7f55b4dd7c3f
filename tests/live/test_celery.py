"""Through the broker: a private Redis, a real worker, and what happens when it is killed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.live.bank import Teller
from tests.live.mooring_site import (
    LEASE_SECONDS,
    Site,
    engines_of,
    private_site,
    redis,
    running,
    status_of,
    wait_until,
    worker,
)
from tests.live.server import LiveServer

pytestmark = pytest.mark.live


@pytest.fixture
def site(mariadb: LiveServer) -> Iterator[Site]:
    with private_site(mariadb) as site, running([*redis(site.home)], site):
        wait_until(site.sockets().exists)
        yield site


def test_a_backup_through_the_broker(site: Site, mariadb: LiveServer) -> None:
    with worker(site), Teller(mariadb.server.connect):
        answer = site.manage("takebackup", "bank-1")
        assert (answer["status"], answer["error"]) == ("succeeded", "")
        verified = site.manage("verifybackup", answer["label"])
        assert verified["status"] == "succeeded"
        tested = site.manage("testrestore", answer["label"])
        assert tested["status"] == "succeeded"
    assert [row[0] for row in site.rows("SELECT status FROM backups_job")] == ["succeeded"] * 3


def test_a_worker_that_is_killed_loses_the_job_and_nothing_else(
    site: Site, mariadb: LiveServer
) -> None:
    before = set(engines_of(mariadb))
    with worker(site) as first:
        command = site.start("takebackup", "bank-1")
        wait_until(lambda: site.rows("SELECT 1 FROM backups_job WHERE stored_bytes > 0"))
        engines = set(engines_of(mariadb)) - before
        assert engines
        killed_at = time.monotonic()
        first.kill()
    # The engine goes with its worker, before anybody has even noticed.
    assert psutil.wait_procs(engines, timeout=5)[1] == []
    assert status_of(site) == "running"
    assert site.stored() != ["mooring.json"]
    with worker(site):
        said, _ = command.communicate(timeout=60)
        assert time.monotonic() - killed_at >= LEASE_SECONDS - 1
        assert command.returncode == 1
        answer = json.loads(said)
        assert answer["status"] == "lost"
        assert "stopped renewing its lease" in answer["error"]
        wait_until(lambda: site.stored() == ["mooring.json"])
        assert site.manage("takebackup", "bank-1")["status"] == "succeeded"
        assert site.rows("SELECT count(*) FROM backups_job WHERE leftovers") == [(0,)]


def test_a_cancel_reaches_the_worker(site: Site, mariadb: LiveServer) -> None:
    with worker(site):
        command = site.start("takebackup", "bank-1")
        wait_until(lambda: site.rows("SELECT 1 FROM backups_job WHERE stored_bytes > 0"))
        (number,) = site.rows("SELECT id FROM backups_job")[0]
        assert site.manage("canceljob", str(number))["status"] == "cancelled"
        assert json.loads(command.communicate()[0])["status"] == "cancelled"
        assert site.stored() == ["mooring.json"]


def test_a_job_requested_while_no_worker_ran_is_done_later(site: Site, mariadb: LiveServer) -> None:
    command = site.start("takebackup", "bank-1")
    wait_until(lambda: site.rows("SELECT 1 FROM backups_job WHERE status = 'pending'"))
    with worker(site):
        assert json.loads(command.communicate(timeout=60)[0])["status"] == "succeeded"
