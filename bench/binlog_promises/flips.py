"""Is a bit that has changed in the spool or in a stored piece found before anything is applied?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backups.binlog_archive.reader import ArchivedBinlogs
from backups.binlog_archive.spool import spool_folder
from backups.binlogs.events.gtids import GtidPosition, GtidSet
from backups.binlogs.source.known import KnownPlace
from backups.binlogs.source.sent import Sent
from backups.binlogs.source.served import Served, ServedRange
from backups.binlogs.source.stream import Stream
from backups.exceptions import MooringError
from backups.keys.load import load_keys
from backups.models import BinlogTimeline
from bench.binlog_promises.home import archived_bank
from bench.binlog_promises.replays import filled
from bench.binlog_promises.round import Round
from tests.live.binlog_source import IN_USE_BYTE

SERVER_ID = 99
# Newest files that are only in the spool.
IN_SPOOL = 2


def flips(work: Round) -> None:
    """One bit at a time, of what a replay reads or of an index; half of them not encrypted."""
    bank, _ = filled(work.product, work.folder / "bank")
    half = work.count // 2
    for encrypted, count in ((True, work.count - half), (False, half)):
        folder = work.folder / f"encrypted-{encrypted}"
        _, repository = archived_bank(bank, folder, in_spool=IN_SPOOL, encrypted=encrypted)
        _flip(work, Path(repository.path), count)


def _flip(work: Round, repository: Path, count: int) -> None:
    timeline = BinlogTimeline.objects.get()
    right = _read(timeline, work.product)
    if right.error:
        raise MooringError(f"without any change: {right.error}")
    stored = [path for path in repository.rglob("*") if path.name.endswith(_SUFFIXES)]
    groups = [sorted(spool_folder(timeline).iterdir()), sorted(stored)]
    for number in range(count):
        path = work.chance.choice(groups[number % len(groups)])
        bit = work.chance.randrange(path.stat().st_size * 8)
        with flipped(path, bit):
            seen = _read(timeline, work.product)
        where = f"{path.name}, bit {bit % 8} of byte {bit // 8}"
        # A flag that a source may leave set, and that nobody is sent.
        unused = path in groups[0] and bit == IN_USE_BYTE * 8
        work.expect(bool(seen.error) or unused, f"{where}: not found")
        work.expect(right.sent.startswith(seen.sent), f"{where}: other bytes were sent")
        work.tried += 1


_SUFFIXES = (".segment", ".json.zst")


@contextmanager
def flipped(path: Path, bit: int) -> Iterator[None]:
    content = path.read_bytes()
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    path.write_bytes(changed)
    try:
        yield
    finally:
        path.write_bytes(content)


class _Seen:
    """What a replica is sent of an archive, and the error that ends it."""

    def __init__(self) -> None:
        self.sent, self.error = b"", ""


def _read(timeline: BinlogTimeline, product: str) -> _Seen:
    """Read all that there is as a replay does; then the indexes, as a search does."""
    seen, parts = _Seen(), []
    try:
        binlogs = ArchivedBinlogs(timeline, load_keys())
        stretches = [ServedRange(each.file, 4, each.end) for each in binlogs.files()]
        served = Served(binlogs, stretches, product)
        empty = GtidPosition() if served.is_mariadb else GtidSet()
        stream = Stream(served, KnownPlace(), Sent(empty), SERVER_ID)
        for batch in stream.batches(served.begin):
            parts += batch
        for _ in binlogs.indexes():
            pass
    except MooringError as exc:
        seen.error = str(exc) or type(exc).__name__
    seen.sent = b"".join(parts)
    return seen
