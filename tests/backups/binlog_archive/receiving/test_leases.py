"""Does one process receive for an archive, and only one?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils.timezone import now

from backups.binlog_archive.receiving.leases import (
    claim,
    release,
    renew,
    renew_unchanged,
    wanted_archives,
)
from backups.binlog_archive.receiving.receiver import Receiver
from backups.models import Instance
from backups.models.binlog import BinlogArchive, ReceiverState

pytestmark = pytest.mark.django_db


@pytest.fixture
def archive(orders: Instance) -> BinlogArchive:
    return BinlogArchive.objects.create(instance=orders, server_id=3_000_000_000)


def receiver_of(archive: BinlogArchive, token: int) -> Receiver:
    return Receiver(archive.pk, token, has_room=str)


def test_the_first_to_claim_has_it(archive: BinlogArchive) -> None:
    stale = wanted_archives()
    assert claim(wanted_archives(), "a", own=False) == {archive.pk: 1}
    assert claim(wanted_archives(), "b", own=False) == {}
    assert claim(stale, "b", own=False) == {}


def test_a_lease_that_ran_out_is_free(archive: BinlogArchive) -> None:
    claim(wanted_archives(), "a", own=False)
    BinlogArchive.objects.update(lease_expires_at=now() - timedelta(seconds=1))
    assert claim(wanted_archives(), "b", own=False) == {archive.pk: 2}
    assert not renew(receiver_of(archive, 1))
    assert renew(receiver_of(archive, 2))


def test_after_a_crash_a_process_takes_its_own_again(archive: BinlogArchive) -> None:
    claim(wanted_archives(), "a", own=False)
    assert claim(wanted_archives(), "a", own=False) == {}
    assert claim(wanted_archives(), "b", own=True) == {}
    assert claim(wanted_archives(), "a", own=True) == {archive.pk: 2}


def test_many_are_renewed_at_once_unless_one_is_lost(archive: BinlogArchive) -> None:
    claim(wanted_archives(), "a", own=False)
    receiver = receiver_of(archive, 1)
    receiver.asked_at = now()
    assert renew_unchanged([receiver], "a")
    archive.refresh_from_db()
    assert archive.source_asked_at == receiver.asked_at
    assert not renew_unchanged([receiver], "b")


def test_a_released_archive_is_stopped_and_free(archive: BinlogArchive) -> None:
    claim(wanted_archives(), "a", own=False)
    release([receiver_of(archive, 1)])
    archive.refresh_from_db()
    assert (archive.state, archive.holder) == (ReceiverState.STOPPED, "")
    assert claim(wanted_archives(), "b", own=False) == {archive.pk: 2}


def test_disabled_archives_and_instances_are_not_wanted(archive: BinlogArchive) -> None:
    Instance.objects.update(enabled=False)
    assert wanted_archives() == []
    Instance.objects.update(enabled=True)
    BinlogArchive.objects.update(enabled=False)
    assert wanted_archives() == []
