"""Where does the next piece of a file in the spool end, and what is in it?

A piece ends between two transactions, or with its file. Whoever cuts reads every event once more,
so that bytes that have changed on the spool's disk are not stored.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from backups.binlogs.events.gtid_lists import read_gtid_list, read_previous_gtids
from backups.binlogs.events.gtids import Gtids, gtids_text, parse_gtids
from backups.binlogs.events.header import (
    FIRST_OFFSET,
    MAGIC,
    EventHeader,
    EventType,
    checksum_fits,
    read_format_description,
    read_header,
)
from backups.binlogs.events.transactions import Transaction, TransactionTracker
from backups.exceptions import BinlogDamaged

# Read or hashed at once.
CHUNK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CutPiece:
    """The next bytes of a file that can be stored as a segment."""

    start: int
    end: int
    sha256: str
    transactions: int
    # Microseconds since the epoch, the earliest and the latest; None without a transaction.
    first_commit: int | None
    last_commit: int | None
    gtids_before: str
    gtids_after: str


@dataclass(slots=True)
class _Progress:
    """What was found up to the last boundary."""

    end: int
    gtids: Gtids | None
    transactions: int = 0
    commits: list[int] = field(default_factory=list)

    def take(self, transaction: Transaction) -> None:
        self.transactions += 1
        self.end = transaction.end
        if transaction.gtid:
            self.gtids = _with(self.gtids, transaction.gtid)
        micros = transaction.commit_micros
        first, last = (self.commits or [micros, micros])[:2]
        self.commits = [min(first, micros), max(last, micros)]


def cut_piece(
    path: Path, start: int, boundary: int, *, complete: bool, gtids: str, most_bytes: int
) -> CutPiece | None:
    """Return the piece from ``start`` on, at most to ``boundary``; None if there is none.

    It ends with the transaction that takes it to ``most_bytes``. ``gtids`` are those before
    ``start``. With ``complete`` nothing more is added to the file, and ``boundary`` is its
    length: what the last transaction leaves over belongs to the last piece.
    """
    with open_mapped(path) as content:
        if len(content) < boundary:
            raise BinlogDamaged(f"{path} has {len(content)} bytes, {boundary} were received")
        checksummed = is_checksummed(path, content)
        progress = _Progress(start, parse_gtids(gtids) if gtids else None)
        before = progress.gtids.copy() if progress.gtids is not None else None
        tracker = TransactionTracker(checksummed, max(start, FIRST_OFFSET))
        for at, header in events_of(path, content, max(start, FIRST_OFFSET), boundary):
            event = content[at : at + header.size]
            _check(path, at, header, event, checksummed)
            if (listed := _read_list(header, event, checksummed)) is not None:
                progress.gtids = listed
                before = listed.copy() if not progress.transactions else before
            if transaction := tracker.feed(header, event, at):
                progress.take(transaction)
                if progress.end - start >= most_bytes:
                    break
        else:
            progress.end = boundary if complete else tracker.last_boundary
        if progress.end <= start:
            return None
        return CutPiece(
            start,
            progress.end,
            _sha256(content, start, progress.end),
            progress.transactions,
            progress.commits[0] if progress.commits else None,
            progress.commits[1] if progress.commits else None,
            _text(before),
            _text(progress.gtids),
        )


@contextmanager
def open_mapped(path: Path) -> Iterator[memoryview]:
    """Map a file for reading: one event may have a gigabyte."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        if not size:
            yield memoryview(b"")
            return
        # Unmapped with the last slice of it: an error on the way may still hold one.
        yield memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))


def chunks_of(content: memoryview, start: int, end: int) -> Iterator[bytes]:
    """Yield a range in pieces that fit into memory."""
    for at in range(start, end, CHUNK_BYTES):
        yield bytes(content[at : min(at + CHUNK_BYTES, end)])


def events_of(
    path: Path, content: memoryview, start: int, end: int
) -> Iterator[tuple[int, EventHeader]]:
    """Yield offset and header of each event; BinlogDamaged where the last crosses ``end``."""
    at = start
    while at < end:
        header = read_header(content, at)
        if at + header.size > end:
            raise BinlogDamaged(f"an event of {path} at {at} reaches beyond {end}")
        yield at, header
        at += header.size


def is_checksummed(path: Path, content: memoryview) -> bool:
    """Return whether a file's events carry a checksum; BinlogDamaged if it is no binlog."""
    if bytes(content[: len(MAGIC)]) != MAGIC:
        raise BinlogDamaged(f"{path} does not begin as a binlog does")
    header = read_header(content, FIRST_OFFSET)
    if header.type != EventType.FORMAT_DESCRIPTION:
        raise BinlogDamaged(f"{path} begins with an event of type {header.type}")
    event = content[FIRST_OFFSET : FIRST_OFFSET + header.size]
    return read_format_description(event).checksummed


def _check(path: Path, at: int, header: EventHeader, event: memoryview, checksummed: bool) -> None:
    is_first = header.type == EventType.FORMAT_DESCRIPTION
    if (checksummed or is_first) and not checksum_fits(event, in_use=is_first):
        raise BinlogDamaged(
            f"the event of {path} at {at} does not match its checksum: the spool's disk has "
            "changed it"
        )


def _read_list(header: EventHeader, event: memoryview, checksummed: bool) -> Gtids | None:
    """Return the transactions before the file, if this event lists them."""
    if header.type == EventType.PREVIOUS_GTIDS:
        return read_previous_gtids(bytes(event), checksummed)
    if header.type == EventType.MARIADB_GTID_LIST:
        return read_gtid_list(bytes(event), checksummed)
    return None


def _with(gtids: Gtids | None, gtid: str) -> Gtids:
    if gtids is None:
        return parse_gtids(gtid)
    gtids.add(gtid)
    return gtids


def _text(gtids: Gtids | None) -> str:
    return "" if gtids is None else gtids_text(gtids)


def _sha256(content: memoryview, start: int, end: int) -> str:
    digest = hashlib.sha256()
    for at in range(start, end, CHUNK_BYTES):
        digest.update(content[at : min(at + CHUNK_BYTES, end)])
    return digest.hexdigest()
