"""What a preparation finds out is kept; while it lasts it shows how far it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from backups.engines.base import Prepared
from backups.models import Backup, Instance, Repository
from backups.stages.restore.prepare import remember_position
from tests.backups.fake_engine import FILES, FakeEngine
from tests.backups.taking import restore, take_backup

pytestmark = pytest.mark.django_db(transaction=True)

FOUND = Prepared("recovered", "binlog.000009", 4, "5c1b:1-9")


def test_what_was_unknown_is_filled_in(
    engine: FakeEngine, orders: Instance, main: Repository
) -> None:
    backup = take_backup(orders, main)
    Backup.objects.update(binlog_file="", binlog_position=None, gtid_executed="")
    remember_position(Backup.objects.get(pk=backup.pk), FOUND)
    backup.refresh_from_db()
    assert (backup.binlog_file, backup.binlog_position) == ("binlog.000009", 4)
    assert backup.gtid_executed == "5c1b:1-9"


def test_what_was_known_stays(engine: FakeEngine, orders: Instance, main: Repository) -> None:
    backup = take_backup(orders, main)
    remember_position(backup, FOUND)
    remember_position(backup, Prepared())
    backup.refresh_from_db()
    assert (backup.binlog_file, backup.binlog_position) == ("binlog.000007", 815)
    assert backup.gtid_executed == "0-1-42"


def test_its_bytes_are_those_of_the_redo_log_and_the_jobs_those_of_the_copy(
    engine: FakeEngine, orders: Instance, main: Repository, tmp_path: Path
) -> None:
    engine.redo_lines = (
        "InnoDB: Starting crash recovery from checkpoint LSN=1000",
        "InnoDB: End of log at LSN=3000",
        "InnoDB: To recover: 10 pages",
        "InnoDB: To recover: 5 pages",
    )
    job = restore(take_backup(orders).copies.get(), tmp_path / "target", raw=False)
    stage = job.stages.get(name="prepare")
    assert (stage.bytes_done, stage.bytes_total) == (3000, 4000)
    raw_bytes = sum(map(len, FILES.values()))
    assert (job.bytes_done, job.bytes_total, job.files_done) == (raw_bytes, raw_bytes, len(FILES))


def test_the_log_says_how_much_memory_it_gets(
    engine: FakeEngine, orders: Instance, main: Repository, tmp_path: Path, settings: Settings
) -> None:
    settings.PREPARE_MEMORY_BYTES = 7 << 30
    job = restore(take_backup(orders).copies.get(), tmp_path / "target", raw=False)
    # The copy is tiny: what the tool takes by itself is more than enough.
    assert engine.memory_bytes == 96 << 20
    line = job.log_lines.get(source="prepare", text__startswith="prepare with ")
    assert line.text.startswith("prepare with 96.0 MiB of ")
