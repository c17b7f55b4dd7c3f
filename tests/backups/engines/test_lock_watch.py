"""Is a wait of mariadb-backup for a lock ended in time, and only a wait?"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from backups.engines.mariadb_backup.lock_watch import LockWatch

CAPTURED = sorted((Path(__file__).parents[2] / "data").glob("mariadb-backup-1*.log"))
LONG = 3600.0


@pytest.mark.parametrize("log", CAPTURED, ids=lambda path: path.name)
def test_every_request_of_a_whole_log_is_granted(log: Path) -> None:
    watch = LockWatch(LONG, lambda: None)
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        watch.feed(line)
    assert watch._timer is None


def test_a_wait_that_is_too_long_is_reported_once() -> None:
    over = threading.Event()
    watch = LockWatch(0.01, over.set)
    watch.feed("[00] 2026-11-22 13:21:28 Starting BACKUP STAGE START")
    watch.feed("[00] 2026-11-22 13:21:28 Acquiring BACKUP LOCKS...")
    assert over.wait(30)


def test_a_granted_lock_ends_the_wait() -> None:
    over = threading.Event()
    watch = LockWatch(LONG, over.set)
    watch.feed("[00] 2026-11-22 13:21:28 Starting BACKUP STAGE START")
    watch.feed("[00] 2026-11-22 13:21:28 >> log scanned up to (4711)")
    assert watch._timer is not None
    watch.feed("[00] 2026-11-22 13:21:28 Acquired locks for BACKUP STAGE START")
    assert watch._timer is None
