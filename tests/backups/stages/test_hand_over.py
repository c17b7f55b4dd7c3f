"""What is said of restored files as they are handed over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backups.exceptions import StageFailed
from backups.models import Backup, BackupCopy
from backups.programs.server_settings import ServerSettings
from backups.restores.run_user import change_owner
from backups.stages.restore.hand_over import describe
from backups.stages.restore.work import RestoreWork

LINKS = "find '/srv/my data' \\( -name '*.isl' -o -name '*.cnf' -o -name '*.my' \\) "


@pytest.mark.parametrize(
    ("engine", "raw", "named"),
    [("mariadb_backup", True, True), ("mariadb_backup", False, False), ("clone", True, False)],
)
def test_links_are_named_where_somebody_else_prepares(engine: str, raw: bool, named: bool) -> None:
    copy = BackupCopy(backup=Backup(engine=engine))
    said = describe(RestoreWork(copy, Path("/srv/my data"), raw=raw), ServerSettings())
    assert (LINKS in said) is named


def test_a_mariadb_that_was_a_replica_no_longer_is_one() -> None:
    copy = BackupCopy(backup=Backup(engine="mariadb_backup"))
    server = ServerSettings(sources={"": "db1.example:3306", "east": "db2.example:3307"})
    said = describe(RestoreWork(copy, Path("/srv/data")), server)
    assert "it was a replica of db1.example:3306, db2.example:3307; the restored server" in said


def test_what_a_link_leads_to_is_not_given_away(tmp_path: Path) -> None:
    target, victim = tmp_path / "target", tmp_path / "victim"
    (target / "shop").mkdir(parents=True)
    victim.touch()
    before = os.stat(victim)
    (target / "shop" / "ibd").symlink_to(victim)
    (target / "folder").symlink_to(tmp_path)
    # To a stranger where we may; else to ourselves, which touches the time of change alone.
    new = (65534, 65534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    change_owner(target, *new)
    assert os.stat(victim) == before
    assert os.lstat(target / "shop" / "ibd").st_uid == new[0]


def test_a_file_with_another_name_elsewhere_is_not_given_away(tmp_path: Path) -> None:
    target, victim = tmp_path / "target", tmp_path / "victim"
    target.mkdir()
    victim.touch()
    os.link(victim, target / "ibdata1")
    with pytest.raises(StageFailed, match="ibdata1 has a hard link elsewhere"):
        change_owner(target, os.geteuid(), os.getegid())
