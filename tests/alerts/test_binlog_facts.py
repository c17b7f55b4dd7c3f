"""Is what rules check of binlog archives read right?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alerts.facts import load_fleet_facts
from alerts.facts.binlog import BinlogFacts
from alerts.facts.instance import InstanceFacts
from backups.models import BackupSchedule, BinlogArchive, RecoverableRange
from tests.alerts.fleet import T0, H, M, make_instance
from tests.backups.binlog_archive.spooled import timeline_of
from tests.backups.binlog_archive.stored import backup_at
from tests.backups.conftest import make_repository

pytestmark = pytest.mark.django_db


def facts(**columns: Any) -> list[BinlogFacts]:
    """The facts of an instance with such an archive."""
    instance = make_instance("orders-1")
    fields = {"state": "receiving", "state_since": T0 - H, "lease_expires_at": T0 + M} | columns
    BinlogArchive.objects.create(instance=instance, server_id=7, **fields)
    found = load_fleet_facts([instance.pk], T0)
    return [each for each in found if isinstance(each, BinlogFacts)]


def test_an_archive_that_receives_is_not_silent() -> None:
    (found,) = facts(lag_bytes=3, acknowledge=True, source_waits=True)
    assert (found.silent_since, found.lag_bytes) == (None, 3)
    assert (found.acknowledge, found.source_waits) == (True, True)
    assert found.subject.name == "orders-1, binlogs"


@pytest.mark.parametrize("state", ["stopped", "connecting", "waiting", "refused"])
def test_any_other_state_is_silent_since_it_began(state: str) -> None:
    (found,) = facts(state=state, reason="access denied", hint="Grant it.")
    assert found.silent_since == T0 - H
    assert (found.reason, found.hint) == ("access denied", "Grant it.")


def test_a_receiver_that_was_killed_is_silent_since_its_lease_expired() -> None:
    (found,) = facts(lease_expires_at=T0 - M)
    assert found.silent_since == T0 - M


def test_a_disabled_archive_is_none() -> None:
    assert facts(enabled=False) == []


def test_faults_are_passed_on() -> None:
    (found,) = facts(
        store_fault="main: full",
        backlog_bytes=5,
        spool_free_bytes=1,
        spool_total_bytes=2,
        not_recoverable="no binlog is stored yet",
        warnings="binlog_format is MIXED.",
    )
    assert (found.store_fault, found.backlog_bytes) == ("main: full", 5)
    assert (found.spool_free_bytes, found.spool_total_bytes) == (1, 2)
    assert found.not_recoverable == "no binlog is stored yet"
    assert found.warnings == "binlog_format is MIXED."


def test_how_far_an_instance_is_recoverable_is_read_with_its_archive(tmp_path: Path) -> None:
    instance, other = make_instance("orders-1"), make_instance("shop-1")
    schedule = BackupSchedule.objects.create(
        name="nightly", cron="30 2 * * 1-5", created_at=T0, anchor_at=T0
    )
    schedule.instances.set([instance])
    archive = BinlogArchive.objects.create(
        instance=instance, server_id=7, lag_bytes=0, source_asked_at=T0 - M
    )
    timeline = timeline_of(instance)
    backup = backup_at(instance, make_repository("main", tmp_path / "main"), "b.000001", 4)
    RecoverableRange.objects.create(
        instance=instance, timeline=timeline, oldest_backup=backup, newest_backup=backup,
        from_at=T0 - 9 * H, to_at=T0 - 2 * H, to_file="b.000001", to_position=4, open=True,
        judged_at=T0,
    )  # fmt: skip
    found = {
        each.subject.name: each
        for each in load_fleet_facts([instance.pk, other.pk], T0)
        if isinstance(each, InstanceFacts)
    }
    orders, shop = found["orders-1"], found["shop-1"]
    assert (orders.archived, orders.recoverable_to) == (True, T0 - M)
    # Over the weekend.
    assert orders.longest_pause == 3 * 24 * H
    assert (shop.archived, shop.recoverable_to, shop.longest_pause) == (False, None, None)
    BinlogArchive.objects.filter(pk=archive.pk).update(enabled=False)
    (facts,) = [each for each in load_fleet_facts([instance.pk], T0)
                if isinstance(each, InstanceFacts)]  # fmt: skip
    assert not facts.archived
