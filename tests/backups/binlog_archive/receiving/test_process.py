"""What one receiver does, or its row does not take, costs the others nothing."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils.timezone import now
from pytest_django import Settings

from backups.binlog_archive.receiving.lag import LagProbe
from backups.binlog_archive.receiving.leases import claim, wanted_archives
from backups.binlog_archive.receiving.process import ReceiverProcess, _Kept
from backups.binlog_archive.receiving.receiver import Receiver
from backups.binlogs.dump.spool import Received
from backups.models.binlog import BinlogArchive
from tests.monitor.rows import make_instance

pytestmark = pytest.mark.django_db(transaction=True)
# Far beyond the last year that a row can have.
NEVER = Received("b.000001", 400, 400, commit_micros=10**18)


@pytest.fixture
def process(tmp_path: Path, settings: Settings) -> ReceiverProcess:
    """A process that has claimed two archives; nothing is received."""
    settings.BINLOG_SPOOL = tmp_path / "binlogs"
    for number in (1, 2):
        instance = make_instance(f"orders-{number}")
        BinlogArchive.objects.create(instance=instance, server_id=4_000_000_000 + number)
    process = ReceiverProcess()
    for pk, token in claim(wanted_archives(), process.holder, own=False).items():
        receiver = Receiver(pk, token, has_room=str)
        process._kept[pk] = _Kept(receiver, (), LagProbe(receiver))
    BinlogArchive.objects.update(lease_expires_at=now() - timedelta(seconds=1))
    return process


def test_a_row_that_takes_no_value_costs_no_other_its_lease(process: ReceiverProcess) -> None:
    bad, good = sorted(process._kept)
    receiver = process._kept[bad].receiver
    receiver._durable = NEVER
    process._write_all()
    assert set(process._kept) == {good}
    assert receiver._over.is_set()
    fresh = BinlogArchive.objects.filter(lease_expires_at__gt=now())
    assert [archive.pk for archive in fresh] == [good]


def test_what_an_unreachable_database_did_not_take_is_written_again(
    process: ReceiverProcess,
) -> None:
    process._looked = float("inf")
    receiver = next(iter(process._kept.values())).receiver
    receiver._durable = Received("b.000001", 400, 400)

    with connection.execute_wrapper(refuse_updates):
        process._try_write()
    process._try_write()
    assert BinlogArchive.objects.get(pk=receiver.archive).received_position == 400


@pytest.mark.parametrize(
    ("waited", "columns", "again"),
    [
        (14, {"failed": True}, False),
        (15, {"failed": True}, True),
        # A repository that fails is tried again however long it does.
        (15, {"failed": True, "tries": 99}, True),
        (19, {"failed": False}, False),
        (20, {"failed": False}, True),
        # Nothing of what is left will be stored until more arrives.
        (20, {"failed": False, "tries": 4}, False),
        (300, {"failed": False, "tries": 4}, True),
        (20, {"failed": False, "backlog": False}, False),
        (0, {"failed": False, "backlog": False, "stored": None}, True),
    ],
)
def test_what_is_left_over_is_tried_again(
    process: ReceiverProcess, waited: float, columns: dict[str, Any], again: bool
) -> None:
    kept = next(iter(process._kept.values()))
    kept.stored, kept.stored_at = kept.receiver.durable, time.monotonic() - waited
    for name, value in columns.items():
        setattr(kept, name, value)
    assert kept.has_to_store() is again


# Any: of the database library.
def refuse_updates(execute: Any, sql: str, *rest: Any) -> Any:
    if sql.startswith("UPDATE"):
        raise OperationalError("the database is gone")
    return execute(sql, *rest)


def test_a_spool_that_is_gone_is_no_room(process: ReceiverProcess) -> None:
    assert "cannot be used: No such file" in process.has_room()


def test_a_source_is_not_asked_while_nothing_is_received(process: ReceiverProcess) -> None:
    receiver = next(iter(process._kept.values())).receiver
    receiver.source = {"lag_bytes": 0, "source_waits": True}
    probe = LagProbe(receiver)
    probe.ask()
    assert receiver.source == {"lag_bytes": None, "source_waits": None}
    # It has not even read how to log in.
    assert probe._login is None
