"""What a preparation finds out is kept, and nothing that was known changes."""

from __future__ import annotations

import pytest

from backups.engines.base import Prepared
from backups.models import Backup, Instance, Repository
from backups.stages.restore.prepare import remember_position
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import take_backup

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
