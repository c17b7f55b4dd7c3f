"""Are positions beyond 4 GiB received and replayed? The files are forged, and mostly a hole."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from backups.binlog_archive.spool import spool_folder
from backups.binlogs.events.header import LOG_POS_RANGE
from backups.binlogs.source import server, stream
from backups.binlogs.source.reading import read_head
from bench.binlog_promises.home import PATIENCE, begin
from bench.binlog_promises.received import expect_whole
from bench.binlog_promises.replays import SMALL_BATCH_BYTES
from bench.binlog_promises.round import Round
from tests.live.binlog_folder import FolderBinlogs
from tests.live.binlog_receiving import archive_of, caught_up, present, receiving
from tests.live.binlog_source import BinlogSource, binlog_source
from tests.live.cut_links import CutWhileRead
from tests.live.far_binlogs import FarBinlogs, moved, straddling, write_far
from tests.live.mooring_site import wait_until
from tests.live.replay_bank import CHECKSUMS, Filled, mariadb_archive, mysql_archive
from tests.live.replaying import Archive, Replayer

TRANSACTIONS, ROW_BYTES = 40, 2_000
# So that some arrive while transactions are applied.
QUICK_HEARTBEAT_SECONDS = 0.02


def positions(work: Round) -> None:
    """Received over the border and, of MySQL, from beyond it; replayed with the link cut."""
    for number in range(work.count):
        folder = work.folder / str(number)
        for part in (0.25, 0.75) if work.product == "mysql" else (0.25,):
            _receive(work, folder / f"receive-{part}", part)
        for mode in ("ON", "OFF") if work.product == "mysql" else ("ON",):
            _replay(work, folder / f"replay-{mode}", mode)


def _receive(work: Round, folder: Path, part: float) -> None:
    """Go on in a far file of which ``part`` of the transactions was received."""
    begin(folder)
    with binlog_source(folder / "data", work.product) as source:
        archive_of(source.instance())
        with receiving():
            source.rotate()
            wait_until(caught_up(source), PATIENCE)
        far = source.files()[-1][0]
        source.write(TRANSACTIONS, ROW_BYTES)
        source.rotate()
        source.write(3)
        start = _make_far(source, far, part)
        with receiving():
            wait_until(caught_up(source), PATIENCE)
        _compare(work, source, far, start)
        work.tried += 1
    expect_whole(work)


def _make_far(source: BinlogSource, far: str, part: float) -> int:
    """Move a file's transactions, and have received the first of them; return where they begin."""
    source.server.stop()
    binlogs = FolderBinlogs(source.server.folder)
    transactions = binlogs.transactions(far)
    first = transactions[0].start
    head, events, start = _apart(binlogs, far, first)
    known = transactions[int(TRANSACTIONS * part)].end - first
    write_far(spool_folder(present()) / far, head, start, events[:known])
    _write_in_place(binlogs.folder / far, head, start, events)
    source.server.start()
    return start


def _apart(binlogs: FolderBinlogs, file: str, first: int) -> tuple[bytes, bytes, int]:
    """Return a file's head, what follows from ``first`` on, moved, and where that begins."""
    content = b"".join(binlogs.read(file, 0, binlogs.size(file)))
    head = content[: read_head(binlogs, file, len(content)).end]
    start = straddling(len(content) - first)
    return head, moved(content[first:], start - first), start


def _write_in_place(path: Path, head: bytes, start: int, events: bytes) -> None:
    owner = path.stat()
    write_far(path, head, start, events)
    os.chown(path, owner.st_uid, owner.st_gid)


def _compare(work: Round, source: BinlogSource, far: str, start: int) -> None:
    for name, size in source.files():
        if name >= far:
            begin_at = start if name == far else 22
            theirs = _tail(source.server.folder / name, begin_at)
            ours = _tail(spool_folder(present()) / name, begin_at)
            work.expect(ours == theirs, f"{name} of {size} bytes differs from {begin_at} on")


def _tail(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read()


def _replay(work: Round, folder: Path, mode: str) -> None:
    """Replay from a far position, within the file and to the end of all, over cut links."""
    archive, wanted = _far_archive(work.product, folder, mode)
    inside = len([each for file, each in archive.transactions if file == archive.file]) - 3
    assert archive.transactions[inside - 1][1].end > LOG_POS_RANGE > archive.position
    for count in (inside, None):
        _replay_to(work, archive, folder / f"data-{count}", count, wanted)


def _replay_to(
    work: Round, archive: Archive, folder: Path, count: int | None, wanted: list[tuple[object, ...]]
) -> None:
    whole, stream._BATCH_BYTES = stream._BATCH_BYTES, SMALL_BATCH_BYTES
    pause, server.HEARTBEAT_SECONDS = server.HEARTBEAT_SECONDS, QUICK_HEARTBEAT_SECONDS
    cutting = CutWhileRead(archive.binlogs)
    try:
        replayer = Replayer(archive, folder)
        served = replace(archive.served(count), binlogs=cutting)
        replayer.replay(served, on_start=cutting.watch)
    finally:
        stream._BATCH_BYTES, server.HEARTBEAT_SECONDS = whole, pause
    with replayer.asked() as ask:
        if count is None:
            work.expect(ask(CHECKSUMS) == wanted, "other checksums than those of the source")
        else:
            rows = ask("SELECT COUNT(*) FROM bank.moves")
            work.expect(rows == [(count,)], f"{rows} rows after {count} transactions")
    work.tried += 1


def _far_archive(product: str, folder: Path, mode: str) -> Filled:
    mysql = product == "mysql"
    archive, wanted = mysql_archive(folder, mode) if mysql else mariadb_archive(folder)
    head, events, start = _apart(archive.binlogs, archive.file, archive.position)
    _write_in_place(archive.binlogs.folder / archive.file, head, start, events)
    binlogs = FarBinlogs(archive.binlogs.folder, archive.file, start)
    far = Archive(
        archive.flavour,
        archive.copy,
        binlogs,
        archive.file,
        start,
        archive.gtids,
        gtid_mode=archive.gtid_mode,
    )
    return far, wanted
