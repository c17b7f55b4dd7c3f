"""Are the archive's bytes the source's, whatever happens to the receiver, its disk and its link?"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from django.conf import settings

from backups.binlog_archive.receiving import process as receivers
from backups.binlog_archive.receiving.process import ReceiverProcess
from backups.models import BinlogArchive, Instance
from backups.models.binlog import BinlogGap, BinlogSegment, BinlogTimeline, ReceiverState
from bench.binlog_promises.home import (
    ENCRYPTION_HEADER,
    PATIENCE,
    archive,
    begin,
    differing,
    files_of,
    processes,
    sent_files,
    wait_for_all,
)
from bench.binlog_promises.round import Round
from bench.binlog_promises.writer import Writer, huge_size
from tests.live.binlog_options import COMPRESSED, encrypting
from tests.live.binlog_receiving import receiving
from tests.live.binlog_source import BinlogSource, binlog_source
from tests.live.cut_links import CuttingProxy
from tests.live.faults import fill, small_disk
from tests.live.mooring_site import wait_until

# So many files are compared at once, and purged at the source.
COMPARED_FILES = 20


def rotations(work: Round) -> None:
    """Half of them plain with checksums switched, a quarter compressed, a quarter encrypted."""
    quarter = work.count // 4
    counts = {"plain": work.count - 2 * quarter, "compressed": quarter, "encrypted": quarter}
    for kind, count in counts.items():
        if count:
            _rotate(work, kind, count)


def _rotate(work: Round, kind: str, count: int) -> None:
    folder = work.folder / kind
    repository = begin(folder)
    options = COMPRESSED[work.product] if kind == "compressed" else {}
    if kind == "encrypted":
        options = encrypting(folder, work.product)
    header = ENCRYPTION_HEADER if kind == "encrypted" and work.product == "mysql" else 0
    with binlog_source(folder / "data", work.product, **options) as source:
        archive(source, repository)
        first = source.files()[-1][0]
        with receiving() as process:
            # It begins with the file that is the newest when it connects.
            wait_for_all(source, header)
            for number in range(1, count + 1):
                _write(source, work, switching=kind == "plain")
                source.rotate()
                if work.chance.random() < 0.1:
                    reconnect(process)
                if number % COMPARED_FILES == 0 or number == count:
                    wait_for_all(source, header)
                    first = _compare(work, source, kind, first, folder / "sent")
                work.tried += 1
    expect_whole(work, kind)


def _write(source: BinlogSource, work: Round, *, switching: bool) -> None:
    chance = work.chance
    if switching and chance.random() < 0.15:
        source.execute(f"SET GLOBAL binlog_checksum = {chance.choice(('NONE', 'CRC32'))}")
    if chance.random() < 0.2:
        source.write(1, huge_size(chance))
    else:
        source.write(chance.randrange(1, 12), chance.randrange(10, 60_000))


def _compare(work: Round, source: BinlogSource, kind: str, first: str, folder: Path) -> str:
    """Compare all files from ``first`` on; purge them at the source, and return the newest."""
    encrypted = kind == "encrypted"
    expected = sent_files(source, first, folder) if encrypted else files_of(source, first)
    work.violations += [f"{kind}, {each}" for each in differing(expected)]
    source.purge()
    return source.files()[-1][0]


def killed_receivers(work: Round) -> None:
    """kill -9 of the process that receives and stores, at random moments under load."""
    repository = begin(work.folder)
    with (
        binlog_source(work.folder / "data", work.product) as source,
        processes(work.folder / "receivers.log") as forks,
    ):
        archive(source, repository)
        first = source.files()[-1][0]
        process = forks.start("receivebinlogs")
        wait_for_all(source)
        with Writer(source, work.chance.randrange(10**6)):
            for number in range(work.count):
                before = spooled()
                if number:
                    process = forks.start("receivebinlogs")
                if work.chance.random() < 0.8:
                    wait_until(partial(_grows, before), PATIENCE)
                time.sleep(work.chance.uniform(0, 1.5))
                os.kill(process, signal.SIGKILL)
                work.expect(forks.ended() == -signal.SIGKILL, "a receiver ended by itself")
                work.tried += 1
        process = forks.start("receivebinlogs")
        wait_for_all(source)
        os.kill(process, signal.SIGTERM)
        forks.ended()
        work.violations += differing(files_of(source, first))
    expect_whole(work)


def full_disks(work: Round) -> None:
    """The spool's disk is full within a write, which is short, and later has room again."""
    repository = begin(work.folder)
    with (
        small_disk(settings.BINLOG_SPOOL, "400m") as disk,
        without_reserve(),
        binlog_source(work.folder / "data", work.product) as source,
    ):
        archive(source, repository)
        first = source.files()[-1][0]
        with receiving() as process:
            for _ in range(work.count):
                source.write(2)
                wait_for_all(source)
                filler = fill(disk, leave=work.chance.randrange(100_000))
                source.write(work.chance.randrange(1, 4), 200_000)
                if work.chance.random() < 0.3:
                    source.rotate()
                wait_until(lambda: standing() == ReceiverState.WAITING, PATIENCE)
                filler.unlink()
                reconnect(process)
                wait_for_all(source)
                work.tried += 1
            work.violations += differing(files_of(source, first))
    expect_whole(work)


def cut_links(work: Round) -> None:
    """The connection to the source ends within an event."""
    repository = begin(work.folder)
    with (
        binlog_source(work.folder / "data", work.product) as source,
        CuttingProxy(source.port) as proxy,
    ):
        archive(source, repository)
        Instance.objects.update(port=proxy.port)
        first = source.files()[-1][0]
        with receiving():
            source.write(3)
            wait_for_all(source)
            for number in range(1, work.count + 1):
                proxy.cut_after(work.chance.randrange(1_000, 2_500_000))
                source.write(10, 300_000)
                wait_until(partial(_was_cut, proxy, number), PATIENCE)
                work.tried += 1
            wait_for_all(source)
            work.violations += differing(files_of(source, first))
    expect_whole(work)


def expect_whole(work: Round, kind: str = "") -> None:
    """Expect that the archive has one history, without a gap in it or between stored pieces."""
    pieces = BinlogSegment.objects.order_by("file_number", "start")
    apart = [f"{each.file} from {each.start}" for each in pieces[1:] if not each.joined]
    counts = BinlogTimeline.objects.count(), BinlogGap.objects.count()
    what = f"{counts[0]} timelines, {counts[1]} gaps, pieces that do not join: {apart or 'none'}"
    work.expect((*counts, apart) == (1, 0, []), f"{kind}: {what}" if kind else what)


def reconnect(process: ReceiverProcess) -> None:
    for kept in list(process._kept.values()):
        kept.receiver.reconnect()


def standing() -> str:
    return BinlogArchive.objects.get().state


def _grows(before: list[tuple[str, int]]) -> bool:
    return spooled() > before


def _was_cut(proxy: CuttingProxy, times: int) -> bool:
    return proxy.cuts == times


def spooled() -> list[tuple[str, int]]:
    """Return the newest file of the spool, and its size."""
    found = sorted((path.name, path) for path in Path(settings.BINLOG_SPOOL).glob("*/*/*.[0-9]*"))
    return [(name, path.stat().st_size) for name, path in found[-1:]]


@contextmanager
def without_reserve() -> Iterator[None]:
    """Receive up to the last byte of the disk."""
    before = receivers.RESERVE_BYTES
    receivers.RESERVE_BYTES = 0
    try:
        yield
    finally:
        receivers.RESERVE_BYTES = before
