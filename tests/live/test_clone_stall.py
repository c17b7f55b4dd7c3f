"""A repository that takes nothing for longer than a donor waits for anybody."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pytest_django import Settings

from backups import access
from backups.models import Backup
from backups.repositories.directory import DirectoryStore, DirectoryUpload
from tests.commands import run_command
from tests.live.clone_jobs import (
    USER,
    add_instance,
    check_pages,
    damaged_tables,
    make_main,
    start_options,
    taken,
)
from tests.live.mysql import PrivateMysql

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

# A donor gives up on a connection that is not read for a minute.
STALL_SECONDS = 90
# More than queue, pipeline and network hold together, so that the donor has to be held off.
ROWS, ROW_BYTES = 320, 1_000_000
FILL = f"""INSERT INTO shop.photo SELECT n, REPEAT(SHA2(n, 512), {ROW_BYTES // 128})
    FROM (WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < {ROWS})
    SELECT n FROM s) AS numbers"""


class StallingStore(DirectoryStore):
    """A folder on a disk that hangs once, soon after the first bytes of a pack."""

    def create(self, name: str) -> DirectoryUpload:
        if not name.endswith(".pack"):
            return super().create(name)
        path = self._path(name)
        self._make_folders(path.parent)
        return StallingUpload(path)


class StallingUpload(DirectoryUpload):
    stalled = False

    def write(self, chunk: bytes) -> None:
        super().write(chunk)
        if not StallingUpload.stalled:
            StallingUpload.stalled = True
            time.sleep(STALL_SECONDS)


def test_a_repository_that_hangs_is_waited_for(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_main(tmp_path, settings)
    monkeypatch.setattr(access, "DirectoryStore", StallingStore)
    options = {"skip-log-bin": "", "innodb-redo-log-capacity": "512M", "max-allowed-packet": "64M"}
    with PrivateMysql(tmp_path / "data", options) as donor:
        donor.execute(*USER, "CREATE DATABASE shop")
        donor.execute("CREATE TABLE shop.photo (n INT PRIMARY KEY, b LONGBLOB)", FILL)
        add_instance(donor)
        began = time.monotonic()
        label = taken()
    assert time.monotonic() - began > STALL_SECONDS
    assert int(Backup.objects.get().facts["spilled_bytes"]) > 0
    assert list(settings.SPOOL_FOLDER.iterdir()) == []
    assert run_command("verifybackup", label, "--foreground").exit_code == 0
    raw, target = tmp_path / "raw", tmp_path / "restored"
    words = [label, "--foreground", "--to"]
    assert run_command("restorebackup", *words, str(raw), "--raw").exit_code == 0
    check_pages(raw)
    assert run_command("restorebackup", *words, str(target)).exit_code == 0
    with PrivateMysql(target, start_options(target)) as restored:
        assert damaged_tables(restored) == []
        total = "SELECT COUNT(*), SUM(LENGTH(b)) FROM shop.photo"
        assert restored.execute(total) == [(ROWS, ROWS * (ROW_BYTES // 128 * 128))]
