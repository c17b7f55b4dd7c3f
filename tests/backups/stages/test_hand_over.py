"""What is said of restored files as they are handed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.models import Backup, BackupCopy
from backups.stages.restore.hand_over import describe
from backups.stages.restore.work import RestoreWork

LINKS = "find '/srv/my data' \\( -name '*.isl' -o -name '*.cnf' -o -name '*.my' \\) "


@pytest.mark.parametrize(
    ("engine", "raw", "told"),
    [("mariadb_backup", True, True), ("mariadb_backup", False, False), ("clone", True, False)],
)
def test_links_are_told_of_where_somebody_else_prepares(engine: str, raw: bool, told: bool) -> None:
    copy = BackupCopy(backup=Backup(engine=engine))
    said = describe(RestoreWork(copy, Path("/srv/my data"), raw=raw))
    assert (LINKS in said) is told
