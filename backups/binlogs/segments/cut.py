"""Where does the next piece of a file in the spool end, and what is in it?

A piece ends between two transactions, or with its file. Whoever cuts reads every event once more,
so that bytes that have changed on the spool's disk are not stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from backups.binlogs.events.gtid_lists import read_gtid_list, read_previous_gtids
from backups.binlogs.events.gtids import Gtids, gtids_text, parse_gtids
from backups.binlogs.events.header import (
    FIRST_OFFSET,
    HEADER,
    MAGIC,
    EventHeader,
    EventType,
    checksum_fits,
    read_format_description,
    read_header,
)
from backups.binlogs.events.seams import ends_piece, is_same_place
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


class _Progress:
    """What was found up to the last boundary."""

    def __init__(self, start: int, gtids: str, seam: Gtids | None, *, checksummed: bool) -> None:
        self.end = start
        self._seam = seam
        # Whether the last transaction was the last of the server before this one, or shows
        # whether one before it was.
        self.at_seam = False
        self.before = parse_gtids(gtids) if gtids else None
        self.gtids = parse_gtids(gtids) if gtids else None
        self.transactions = 0
        # The earliest and the latest.
        self.commits: tuple[int, int] | None = None
        self._checksummed = checksummed
        self._tracker = TransactionTracker(checksummed, max(start, FIRST_OFFSET))

    @property
    def last_boundary(self) -> int:
        return self._tracker.last_boundary

    def feed(self, header: EventHeader, event: bytes, at: int) -> None:
        """Take the next event."""
        if (listed := _read_list(header, event, self._checksummed)) is not None:
            self.gtids = listed
            if not self.transactions:
                self.before = listed.copy()
        if transaction := self._tracker.feed(header, event, at):
            self._take(transaction)

    def piece(self, start: int, sha256: str) -> CutPiece:
        """Return what was found from ``start`` on."""
        first, last = self.commits or (None, None)
        before, after = _text(self.before), _text(self.gtids)
        return CutPiece(start, self.end, sha256, self.transactions, first, last, before, after)

    def _take(self, transaction: Transaction) -> None:
        self.transactions += 1
        self.end = transaction.end
        if transaction.gtid:
            seam, gtid = self._seam, transaction.gtid
            self.at_seam = seam is not None and ends_piece(seam, self.gtids, gtid)
            self.gtids = _with(self.gtids, gtid)
            self.at_seam |= seam is not None and is_same_place(seam, self.gtids)
        micros = transaction.commit_micros
        first, last = self.commits or (micros, micros)
        self.commits = min(first, micros), max(last, micros)


def cut_piece(
    path: Path,
    start: int,
    boundary: int,
    *,
    complete: bool,
    gtids: str,
    most_bytes: int,
    seam: Gtids | None = None,
) -> CutPiece | None:
    """Return the piece from ``start`` on, at most to ``boundary``; None if there is none.

    It ends with the transaction that takes it to ``most_bytes``, or to ``seam``: what the server
    before this one ended with; or with the first of a domain of ``seam``. ``gtids`` are those
    before ``start``. With ``complete`` nothing more is added to the file, and ``boundary`` is its
    length: what the last transaction leaves over belongs to the last piece.
    """
    checksummed = is_checksummed(path)
    progress = _Progress(start, gtids, seam, checksummed=checksummed)
    try:
        for at, header, event in _events(path, max(start, FIRST_OFFSET), boundary):
            _check(path, at, header, event, checksummed)
            progress.feed(header, event, at)
            if progress.end - start >= most_bytes or progress.at_seam:
                break
        else:
            progress.end = boundary if complete else progress.last_boundary
    except BinlogDamaged:
        # What is before it is whole, and a piece of its own.
        if not progress.transactions:
            raise
    if progress.end <= start:
        return None
    return progress.piece(start, sha256_of(path, start, progress.end))


def read_range(path: Path, start: int, end: int) -> Iterator[bytes]:
    """Yield a range of a file in pieces that fit into memory, or raise BinlogDamaged."""
    with open(path, "rb") as file:
        file.seek(start)
        for at in range(start, end, CHUNK_BYTES):
            yield _read(path, file, at, min(CHUNK_BYTES, end - at))


def sha256_of(path: Path, start: int, end: int) -> str:
    """Return the hash of a range of a file."""
    digest = hashlib.sha256()
    for chunk in read_range(path, start, end):
        digest.update(chunk)
    return digest.hexdigest()


def is_checksummed(path: Path) -> bool:
    """Return whether a file's events carry a checksum; BinlogDamaged if it is no binlog."""
    with open(path, "rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise BinlogDamaged(f"{path} does not begin as a binlog does")
        head = _read(path, file, FIRST_OFFSET, HEADER.size)
        header = read_header(head)
        if header.type != EventType.FORMAT_DESCRIPTION or header.size > CHUNK_BYTES:
            raise BinlogDamaged(f"{path} begins with an event of type {header.type}")
        rest = _read(path, file, FIRST_OFFSET, header.size - HEADER.size)
    return read_format_description(head + rest).checksummed


def _events(path: Path, start: int, end: int) -> Iterator[tuple[int, EventHeader, bytes]]:
    """Yield offset, header and bytes of each event; BinlogDamaged where the last crosses ``end``.

    Read, not mapped: where a disk fails, a mapping would end this process.
    """
    with open(path, "rb", buffering=CHUNK_BYTES) as file:
        file.seek(start)
        at = start
        while at < end:
            head = _read(path, file, at, HEADER.size)
            header = read_header(head)
            if at + header.size > end:
                raise BinlogDamaged(f"an event of {path} at {at} reaches beyond {end}")
            yield at, header, head + _read(path, file, at, header.size - HEADER.size)
            at += header.size


def _read(path: Path, file: BinaryIO, at: int, length: int) -> bytes:
    content = file.read(length)
    if len(content) < length:
        raise BinlogDamaged(f"{path} ends within what was received at {at}")
    return content


def _check(path: Path, at: int, header: EventHeader, event: bytes, checksummed: bool) -> None:
    is_first = header.type == EventType.FORMAT_DESCRIPTION
    if (checksummed or is_first) and not checksum_fits(event, in_use=is_first):
        raise BinlogDamaged(
            f"the event of {path} at {at} does not match its checksum: the spool's disk has "
            "changed it"
        )


def _read_list(header: EventHeader, event: bytes, checksummed: bool) -> Gtids | None:
    """Return the transactions before the file, if this event lists them."""
    if header.type == EventType.PREVIOUS_GTIDS:
        return read_previous_gtids(event, checksummed)
    if header.type == EventType.MARIADB_GTID_LIST:
        return read_gtid_list(event, checksummed)
    return None


def _with(gtids: Gtids | None, gtid: str) -> Gtids:
    if gtids is None:
        return parse_gtids(gtid)
    gtids.add(gtid)
    return gtids


def _text(gtids: Gtids | None) -> str:
    return "" if gtids is None else gtids_text(gtids)
