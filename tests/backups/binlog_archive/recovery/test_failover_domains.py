"""Is nothing of MariaDB served twice where a new server logs one domain after the other?"""

from __future__ import annotations

import pytest

from backups.binlog_archive.recovery.from_backup import Recovery, StartPoint, find_recovery
from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.exceptions import Refused
from backups.models import BinlogArchive, BinlogGap, BinlogTimeline, Instance, Repository
from tests.backups.binlog_archive.failovers import file_with
from tests.backups.binlog_archive.recovery.test_failover import (
    OLD,
    TAKEN_AT,
    judge,
    receive,
    store,
    take_over,
)
from tests.backups.binlog_archive.stored import backup_at

pytestmark = pytest.mark.django_db(transaction=True)
START = "0-1-90,1-2-40"
APPLIED = ("0-1-91", "0-1-92", "1-2-41", "1-2-42")


@pytest.fixture
def old(archive: BinlogArchive, timeline: BinlogTimeline, main: Repository) -> BinlogTimeline:
    Instance.objects.update(flavour="mariadb")
    archive.instance.refresh_from_db()
    start = file_with(START)
    backup_at(archive.instance, main, OLD, len(start), at=TAKEN_AT, gtids=START)
    gtids = ("0-1-91", "1-2-41", "0-1-92", "1-2-42")
    receive(archive, timeline, OLD, file_with(START, *gtids, second=2))
    return timeline


def recover_to(archive: BinlogArchive, goal: RecoveryGoal) -> Recovery:
    place = len(file_with(START))
    start = StartPoint("x", OLD, place, START, TAKEN_AT, TAKEN_AT)
    return find_recovery(archive.instance, start, goal)


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("files", [1, 2])
def test_what_it_logs_later_is_not_served_twice(
    archive: BinlogArchive, old: BinlogTimeline, stored: bool, files: int
) -> None:
    own = ("0-3-93", "1-3-43", "1-3-44")
    if files == 1:
        new = take_over(archive, old, file_with("", *APPLIED, *own, second=4))
    else:
        new = take_over(archive, old, file_with("", *APPLIED[:2], ended=True, second=4))
        content = file_with("0-1-92", *APPLIED[2:], *own, second=6)
        receive(archive, new, "b.000004", content)
    if stored:
        store(archive)
        assert [span.open for span in judge(archive)] == [True]
    found = recover_to(archive, RecoveryGoal(until_gtid="1-3-44"))
    assert [each.transaction.gtid for each in found.transactions()] == [
        "0-1-91", "1-2-41", "0-1-92", "1-2-42", *own,
    ]  # fmt: skip


def test_one_that_commits_before_it_has_all_is_another_history(
    archive: BinlogArchive, old: BinlogTimeline
) -> None:
    gtids = (*APPLIED[:2], "0-3-93", *APPLIED[2:], "1-3-43")
    take_over(archive, old, file_with("", *gtids, second=4))
    with pytest.raises(Refused):
        recover_to(archive, RecoveryGoal(until_gtid="1-3-43"))
    store(archive)
    assert [span.open for span in judge(archive)] == [False]
    assert BinlogGap.objects.count() == 1


def test_a_domain_that_goes_on_later_is_new(archive: BinlogArchive, old: BinlogTimeline) -> None:
    own = ("0-3-93", "1-3-43", "1-3-44")
    take_over(archive, old, file_with("", *APPLIED[:2], *own, second=4))
    store(archive)
    assert [span.open for span in judge(archive)] == [True]
    found = recover_to(archive, RecoveryGoal(until_gtid="1-3-44"))
    assert found.stop.transactions == 7
