"""Are received files those of a real server, and is what does not join never taken for whole?"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.binlog_archive.receiving import process as receivers
from backups.binlog_archive.spool import spool_folder
from backups.models.binlog import (
    BinlogArchive,
    BinlogGap,
    BinlogSegment,
    BinlogTimeline,
    ReceiverState,
    SegmentCopy,
)
from tests.backups.conftest import make_repository
from tests.commands import run_command
from tests.live import binlog_histories as histories
from tests.live.binlog_histories import History
from tests.live.binlog_receiving import archive_of, caught_up, present, receiving
from tests.live.binlog_source import FLAVOURS, BinlogSource, binlog_source, differing
from tests.live.confirmed import written_until_killed
from tests.live.mooring_site import wait_until
from tests.live.mysql import ROOT

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]


@pytest.fixture(params=FLAVOURS)
def source(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[BinlogSource]:
    with binlog_source(tmp_path / "data", request.param) as running:
        yield running


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.BINLOG_SPOOL = tmp_path / "binlogs"
    monkeypatch.setattr(receivers, "CLAIM_SECONDS", 0.5)
    monkeypatch.setattr(receivers, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(receivers, "STORE_SECONDS", 0.5)
    return tmp_path / "binlogs"


def test_files_are_identical_over_rotations_and_lost_connections(source: BinlogSource) -> None:
    archive_of(source.instance())
    with receiving() as process:
        for turn in range(6):
            source.write(30)
            source.write(1, (1 << 24) - 100 + 30 * turn)
            source.rotate()
            for kept in process._kept.values():
                kept.receiver.reconnect()
        source.write(5)
        wait_until(caught_up(source))
        assert differing(source, spool_folder(present())) == []
    assert BinlogGap.objects.count() == 0
    assert BinlogTimeline.objects.count() == 1


def test_the_row_says_how_far_the_archive_is(source: BinlogSource) -> None:
    archive_of(source.instance())
    with receiving():
        source.write(10)
        began = time.time()
        wait_until(caught_up(source))
        wait_until(lambda: BinlogArchive.objects.get().lag_bytes == 0)
        row = BinlogArchive.objects.get()
        assert row.state == ReceiverState.RECEIVING
        assert row.last_commit_at is not None
        assert abs(row.last_commit_at.timestamp() - began) < 60
        assert row.synced_at is not None
        assert row.contact_at is not None
    row.refresh_from_db()
    assert (row.state, row.holder, row.lease_expires_at) == (ReceiverState.STOPPED, "", None)


def test_it_goes_on_after_a_crash_of_the_source(source: BinlogSource) -> None:
    archive_of(source.instance())
    with receiving():
        for _ in range(2):
            source.write(20)
            wait_until(caught_up(source))
            source.crash()
        source.write(20)
        wait_until(caught_up(source))
        assert differing(source, spool_folder(present())) == []
    assert BinlogTimeline.objects.count() == 1
    assert BinlogGap.objects.count() == 0


def test_reset_binlogs_begin_another_timeline_and_leave_a_gap(source: BinlogSource) -> None:
    archive_of(source.instance())
    assert histories.reset_while_received(source) == History("reset", 1)


def test_a_reused_name_is_not_taken_for_the_same_file(source: BinlogSource) -> None:
    archive_of(source.instance())
    assert histories.name_reused(source) == History("reset", 1)


def test_a_source_that_lost_its_newest_transaction_is_behind(source: BinlogSource) -> None:
    archive_of(source.instance())
    assert histories.newest_transaction_lost(source) == History("behind", 1)


def test_a_server_that_takes_over_with_all_transactions_leaves_no_gap(
    source: BinlogSource, tmp_path: Path
) -> None:
    archive_of(source.instance())
    with ExitStack() as stack:
        found, replica = histories.failed_over(source, tmp_path / "replica", stack)
        assert found == History("failover", 0)
        # As if it had been killed before anything of the new history arrived.
        second, files = present(), sorted(os.listdir(spool_folder(present())))
        shutil.rmtree(spool_folder(second))
        replica.rotate()
        with receiving():
            wait_until(caught_up(replica))
        assert (present(), BinlogGap.objects.count()) == (second, 0)
        assert sorted(os.listdir(spool_folder(second)))[: len(files)] == files


def test_purged_files_leave_a_gap(source: BinlogSource) -> None:
    archive_of(source.instance())
    assert histories.purged_before_received(source) == History("gap", 1)
    gap = BinlogGap.objects.get()
    assert "purged" in gap.reason
    assert gap.before_file == source.files()[0][0]


def test_a_purge_of_what_was_received_leaves_no_gap(source: BinlogSource) -> None:
    archive_of(source.instance())
    with receiving():
        source.write(3)
        source.rotate()
        wait_until(caught_up(source))
    source.purge()
    with receiving():
        source.write(3)
        wait_until(caught_up(source))
    assert (BinlogTimeline.objects.count(), BinlogGap.objects.count()) == (1, 0)


def test_no_confirmed_transaction_is_lost_with_the_source(source: BinlogSource) -> None:
    source.wait_for_replica()
    archive_of(source.instance(), acknowledge=True)
    with receiving():
        wait_until(lambda: BinlogArchive.objects.get().source_waits)
        confirmed = written_until_killed(source, seconds=1.5)
    assert len(confirmed) > 20
    received = b"".join(path.read_bytes() for path in spool_folder(present()).iterdir())
    assert [token for token in confirmed if token not in received] == []


def test_enabled_later_the_source_waits_too(source: BinlogSource) -> None:
    archive_of(source.instance(), acknowledge=True)
    with receiving():
        wait_until(caught_up(source))
        assert "semi-synchronous replication is off" in BinlogArchive.objects.get().warnings
        source.wait_for_replica()
        wait_until(lambda: BinlogArchive.objects.get().source_waits)
        source.write(3)
        wait_until(lambda: BinlogArchive.objects.get().warnings == "")


def test_a_receiver_killed_at_any_moment_goes_on(source: BinlogSource, tmp_path: Path) -> None:
    folder, chance = tmp_path / "received", random.Random(50)
    argv = [sys.executable, "-m", "tests.live.binlog_victim", str(folder), source.flavour]
    argv += [str(source.port), source.files()[0][0]]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    for turn in range(7):
        victim = subprocess.Popen(argv, cwd=ROOT, env=environment)
        try:
            received = received_bytes(folder)
            source.write(40, 20_000)
            source.write(1, 1 << 24)
            if turn % 2:
                source.rotate()
            wait_until(partial(grows, folder, received))
            time.sleep(chance.uniform(0, 0.3))
            if turn == 6:
                wait_until(lambda: differing(source, folder) == [])
        finally:
            victim.kill()
            victim.wait()


def grows(folder: Path, size: int) -> bool:
    return received_bytes(folder) > size


def received_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir()) if folder.exists() else 0


def test_what_is_received_gets_into_the_repository(source: BinlogSource, tmp_path: Path) -> None:
    instance = source.instance()
    make_repository("main", tmp_path / "main", encrypted=False)
    answer = run_command("archivebinlogs", instance.name, "--repository", "main", "--json")
    assert answer.exit_code == 0, answer.stderr
    with receiving():
        source.write(20)
        first = source.files()[-1][0]
        wait_until(caught_up(source))
        source.rotate()
        wait_until(lambda: SegmentCopy.objects.filter(segment__last_of_file=True).exists())
        wait_until(lambda: not (spool_folder(present()) / first).exists())
        listed = run_command("listbinlogs", "--json").json()["archives"][0]
        assert (listed["state"], listed["gaps"], listed["reason"]) == ("receiving", 0, "")
    assert BinlogSegment.objects.filter(file=first).exists()
    assert run_command("archivebinlogs", instance.name, "--off").exit_code == 0
    with receiving():
        assert BinlogArchive.objects.get().state == ReceiverState.STOPPED


def test_a_lost_spool_is_received_again(source: BinlogSource, tmp_path: Path, spool: Path) -> None:
    archive = archive_of(source.instance())
    archive.repositories.add(make_repository("main", tmp_path / "main", encrypted=False))
    with receiving():
        source.write(20)
        source.rotate()
        wait_until(lambda: SegmentCopy.objects.filter(segment__last_of_file=True).exists())
        wait_until(caught_up(source))
        folder = spool_folder(present())
    shutil.rmtree(spool)
    with receiving():
        source.write(5)
        wait_until(caught_up(source))
        assert (folder / source.files()[-1][0]).exists()
    assert (BinlogTimeline.objects.count(), BinlogGap.objects.count()) == (1, 0)
