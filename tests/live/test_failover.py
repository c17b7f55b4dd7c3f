"""Servers of one topology take over from each other: is every transaction archived once?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.binlog_archive.receiving import process as receivers
from backups.binlog_archive.recovery.coverage import judge_archive
from backups.binlog_archive.recovery.from_backup import StartPoint, find_recovery
from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.binlog_archive.transactions.browse import WantedTransactions, open_binlogs
from backups.models import BinlogArchive, BinlogGap, BinlogTimeline, Instance, RecoverableRange
from tests.backups.binlog_archive.stored import backup_at
from tests.backups.conftest import make_repository
from tests.live.binlog_receiving import archive_of, caught_up, present, receiving
from tests.live.binlog_source import FLAVOURS
from tests.live.mooring_site import wait_until
from tests.live.replaying import Replayer
from tests.live.topology import Topology, topology

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

COUNT = "SELECT COUNT(*) FROM shop.lines"
CHECKSUM = "CHECKSUM TABLE shop.lines"
# More with this variable: ten take some minutes.
FAILOVERS = int(os.environ.get("MOORING_TEST_FAILOVERS", "2"))


@pytest.fixture(params=FLAVOURS)
def servers(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Topology]:
    settings.BINLOG_SPOOL = tmp_path / "binlogs"
    monkeypatch.setattr(receivers, "CLAIM_SECONDS", 0.5)
    monkeypatch.setattr(receivers, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(receivers, "STORE_SECONDS", 0.5)
    with topology(tmp_path, request.param) as running:
        yield running


def test_one_range_leads_over_failovers(servers: Topology, tmp_path: Path) -> None:
    base = servers.base
    instance = servers.primary.instance()
    repository = make_repository("main", tmp_path / "main", encrypted=False)
    archive_of(instance).repositories.set([repository])
    taken_at = now()
    backup_at(instance, repository, base.file, base.position, at=taken_at, gtids=base.gtids)
    with receiving():
        servers.primary.write(20)
        wait_until(caught_up(servers.primary))
        for _ in range(FAILOVERS):
            before = present()
            servers.fail_over(instance)
            servers.primary.write(20)
            servers.primary.rotate()
            servers.primary.write(10)
            wait_until(partial(follows, servers, before))
            servers.rejoin()
        servers.primary.execute("DROP DATABASE IF EXISTS nothing")
        wait_until(caught_up(servers.primary))
    starts = list(BinlogTimeline.objects.order_by("pk").values_list("start", flat=True))
    assert starts == ["first"] + ["failover"] * FAILOVERS
    assert not BinlogGap.objects.exists()
    judge_archive(BinlogArchive.objects.get(), now())
    (span,) = RecoverableRange.objects.all()
    assert (span.open, span.from_at) == (True, taken_at)
    start = StartPoint("copy", base.file, base.position, base.gtids, taken_at, taken_at)
    check_recovery(servers, instance, start, tmp_path)


def follows(servers: Topology, before: BinlogTimeline) -> bool:
    """Whether all of the new primary is received, and its first file is stored."""
    timeline = present()
    return timeline != before and caught_up(servers.primary)() and timeline.segments.exists()


def check_recovery(
    servers: Topology, instance: Instance, start: StartPoint, tmp_path: Path
) -> None:
    found, _ = open_binlogs(instance).around(None, WantedTransactions(), 10_000)
    names = [each.name for each in found]
    assert len(names) == len(set(names))
    recovery = find_recovery(instance, start, RecoveryGoal(before_gtid=names[-1]))
    assert (recovery.failovers, recovery.stop.transactions) == (FAILOVERS, 20 + 30 * FAILOVERS)
    replayer = Replayer(servers.base, tmp_path / "restored")
    done = replayer.replay(recovery.served)
    assert done.passed.transactions == recovery.stop.transactions
    with replayer.asked() as ask:
        assert ask(COUNT) == servers.primary.execute(COUNT)
        assert ask(CHECKSUM) == servers.primary.execute(CHECKSUM)
