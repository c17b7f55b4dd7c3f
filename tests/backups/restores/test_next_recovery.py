"""How much is there to replay behind the newest backup?"""

from __future__ import annotations

from datetime import datetime

import pytest

from backups.models import BinlogSegment, BinlogTimeline, Instance, RecoverableRange, Repository
from backups.restores.next_recovery import bytes_to_replay
from tests.backups.binlog_archive.spooled import HOUR, MINUTE, SECOND, T0, archive_of, timeline_of
from tests.backups.binlog_archive.stored import backup_at

pytestmark = pytest.mark.django_db


def piece(timeline: BinlogTimeline, number: int, size: int, *, at: datetime) -> None:
    BinlogSegment.objects.create(
        timeline=timeline,
        file=f"b.{number:06}",
        file_number=number,
        start=0,
        end=size,
        sha256="",
        transactions=1,
        created_at=at,
    )


@pytest.mark.parametrize(
    ("minute", "file", "size"),
    [
        # A backup of the old server: its files are numbered higher.
        (10, "b.000900", 300 + 4000),
        # It ended when the new server had taken over.
        (60, "b.000900", 300 + 4000),
        (90, "b.000008", 3000),
    ],
)
def test_what_follows_a_backup_over_a_failover(
    orders: Instance, main: Repository, minute: int, file: str, size: int
) -> None:
    archive = archive_of(orders, main)
    old = timeline_of(orders, ended_at=T0 + HOUR)
    new = timeline_of(orders, start="failover", began_at=T0 + HOUR - SECOND / 2)
    piece(old, 899, 20, at=T0)
    piece(old, 900, 300, at=T0 + HOUR + MINUTE)
    piece(new, 7, 1000, at=T0 + HOUR + 2 * MINUTE)
    piece(new, 8, 3000, at=T0 + 2 * HOUR)
    newest = backup_at(orders, main, file, 50, at=T0 + minute * MINUTE)
    span = RecoverableRange.objects.create(
        instance=orders,
        timeline=new,
        oldest_backup=newest,
        newest_backup=newest,
        from_at=newest.ended_at,
        to_at=T0 + 2 * HOUR,
        to_file="b.000008",
        to_position=3000,
        open=True,
        judged_at=T0 + 2 * HOUR,
    )
    assert bytes_to_replay(archive, span) == size
