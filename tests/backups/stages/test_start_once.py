"""When is a server started on restored files, and what is said where none starts?"""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.engines.base import Prepared
from backups.engines.mariadb_backup.undecided import count_undecided
from backups.models import Backup, BackupCopy, Job
from backups.running.run import Run
from backups.stages.restore.start_once import StartOnce
from backups.stages.restore.work import RestoreWork

REFUSED = """
2026-11-29 17:57:50 0 [Warning] Found 1 prepared XA transactions
2026-11-29 17:57:50 0 [ERROR] Found 5 prepared transactions! It means that server was not shut down
2026-11-29 17:57:50 0 [ERROR] Aborting
"""


@pytest.mark.parametrize(
    ("raw", "no_start", "started", "starts"),
    [
        (False, False, False, True),
        (True, False, False, False),
        (False, True, False, False),
        # Prepare did it: MySQL's server is what prepares.
        (False, False, True, False),
    ],
)
def test_when_a_server_is_started(raw: bool, no_start: bool, started: bool, starts: bool) -> None:
    copy = BackupCopy(backup=Backup(engine="mariadb_backup"))
    work = RestoreWork(copy, Path("/srv/r"), raw=raw, no_start=no_start)
    work.prepared = Prepared(started=started)
    assert StartOnce().should_run(Run(Job()), work) is starts


def test_transactions_of_others_are_not_counted() -> None:
    assert count_undecided(REFUSED) == 5
    assert count_undecided("Found 1 prepared XA transactions") == 0
