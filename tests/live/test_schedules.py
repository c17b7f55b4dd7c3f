"""Beat, a worker and a real server: a schedule's moment comes and its backup is taken."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from tests.live.mooring_site import Site, wait_until, worker
from tests.live.server import LiveServer
from tests.live.test_celery import site

pytestmark = pytest.mark.live
__all__ = ["site"]


def test_a_schedule_takes_its_backup(site: Site, mariadb: LiveServer) -> None:
    # Hourly, and the next time in a few seconds.
    anchor = datetime.now(UTC) - timedelta(hours=1) + timedelta(seconds=8)
    document = {
        "version": 1,
        "schedules": [
            {
                "name": "hourly",
                "every_hours": 1,
                "anchor_at": anchor.isoformat(),
                "covers_all": True,
                "repositories": ["main"],
            }
        ],
    }
    file = site.home / "schedules.yaml"
    file.write_text(yaml.safe_dump(document))
    site.manage("applyconfig", str(file))
    with worker(site) as process:
        queues = "SELECT queues FROM backups_workerheartbeat ORDER BY queues"
        wait_until(lambda: len(site.rows(queues)) == 2)
        assert site.rows(queues) == [(",control,outside,",), (",copy,transfer,",)]
        ended = "SELECT status FROM backups_occurrence WHERE ended_at IS NOT NULL"
        wait_until(lambda: site.rows(ended), seconds=90)
        assert site.rows(ended) == [("succeeded",)]
        (backup,) = site.manage("listbackups")["backups"]
        assert backup["instance"] == "bank-1"
        ticks = dict(site.rows("SELECT name, error FROM backups_tickheartbeat"))
        assert ticks["plan occurrences"] == ""
        process.signal(signal.SIGTERM)
        wait_until(lambda: not site.rows("SELECT name FROM backups_workerheartbeat"))
