"""How are received events written, so that each file is identical to the source's?

Every event is checked before it is written: its log_pos against the file's length, and its
checksum. What the source makes for the stream only is left out. Where a file is requested again
from an earlier place, what arrives is first compared with what is here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from isal import isal_zlib

from backups.binlogs.dump.errors import StreamEnd, StreamEnded
from backups.binlogs.dump.tail import WHOLE, FileTail
from backups.binlogs.events.header import (
    CHECKSUM_BYTES,
    FIRST_OFFSET,
    FLAG_ARTIFICIAL,
    HEADER,
    LOG_POS_RANGE,
    MAGIC,
    EventHeader,
    EventType,
    read_format_description,
)
from backups.binlogs.events.transactions import DECISIVE_TYPES, TransactionTracker
from backups.binlogs.segments.names import file_number
from backups.exceptions import BinlogDamaged

_HEARTBEATS = frozenset({EventType.HEARTBEAT, EventType.HEARTBEAT_V2})
# How a MariaDB encrypts is repeated in front of the events from the middle of a file.
_REPEATED = frozenset({EventType.FORMAT_DESCRIPTION, EventType.MARIADB_START_ENCRYPTION})
# Types that the loop over events does not take as they are.
_SPECIAL = frozenset({*_HEARTBEATS, *_REPEATED, EventType.ROTATE})
# So many pieces does the kernel take at once.
_MOST_PIECES = 1000
_HASHED_BYTES = 4 << 20
_LOG_POS_MASK = LOG_POS_RANGE - 1


@dataclass(frozen=True, slots=True)
class Received:
    """Up to where the spool has the source's binary log."""

    file: str = ""
    # The end of the last event.
    position: int = 0
    # The end of the last whole transaction in the file.
    boundary: int = 0
    # When that was committed, by the source's clock; None: none is known.
    commit_micros: int | None = None
    # When all that became durable, in seconds since the epoch; 0: in an earlier process.
    synced_at: float = 0.0


class StoredPiece(NamedTuple):
    """Bytes of a file that are stored already, and no more in the spool."""

    start: int
    end: int
    sha256: str


class SpoolWriter:
    """Writes the events of one stream into the files of a timeline."""

    def __init__(
        self,
        folder: Path,
        file: str,
        requested_at: int,
        tail: FileTail | None,
        stored: Sequence[StoredPiece] = (),
    ) -> None:
        """``requested_at``: where the stream begins in the file. ``tail``: what is here of it.

        ``stored``: pieces of it, in their order, that must arrive again as they were.
        """
        # A source that lists another kind of name must not choose where on this disk is written.
        file_number(file)
        self._folder = folder
        self.file, self.position = file, requested_at
        self._requested_at = requested_at
        self._checksummed = tail.checksummed if tail else True
        self._commit_micros = tail.commit_micros if tail else None
        # Where the last whole transaction begins, and whether the file's last event ends it.
        self._last_transaction, self._complete = requested_at, False
        self._tracker = TransactionTracker(self._checksummed, requested_at)
        # Up to there is compared, not written.
        self._compare_until = 0
        self._stored = list(stored)
        # Whether the stream has named its file, and described its format.
        self._named = self._described = False
        self._synced_at = 0.0
        # Whether something is written that is not durable, and whether that could not be changed.
        self.dirty = self._failed = False
        self._descriptor = self._create() if tail is None else self._reopen(tail)
        # What is durable; read by other threads.
        self.durable = self._received()

    @property
    def comparing(self) -> bool:
        """Whether what is here has not arrived again as a whole."""
        return self.position < self._compare_until

    def add(self, events: Sequence[memoryview]) -> None:
        """Check and write events; StreamEnded or BinlogDamaged if one does not fit."""
        unpack, crc32, position = HEADER.unpack_from, isal_zlib.crc32, self.position
        pieces: list[memoryview] = []
        for event in events:
            if len(event) < HEADER.size:
                raise self._wrong(f"an event of {len(event)} bytes arrived")
            fields = unpack(event)
            kind, size = fields[1], fields[3]
            if kind in _SPECIAL or fields[5] & FLAG_ARTIFICIAL:
                self._write(pieces, position)
                if not self._take_special(EventHeader._make(fields), event):
                    pieces, position = [], self.position
                    continue
                pieces = []
            start, position = position, position + size
            placed = fields[4] == position & _LOG_POS_MASK
            if size != len(event) or not (placed or self._may_omit(fields[4])):
                raise self._misplaced(EventHeader._make(fields), len(event), start)
            if self._checksummed and crc32(event) != WHOLE:
                raise self._wrong(f"the event at {start} does not have the checksum it carries")
            if kind in DECISIVE_TYPES:
                self._follow(EventHeader._make(fields), event, start)
            pieces.append(event)
        self._write(pieces, position)

    def _may_omit(self, log_pos: int) -> bool:
        return log_pos == 0 and self._tracker.may_omit_end

    def sync(self) -> None:
        """Make durable what was written. After a failure nothing of it counts as received."""
        if self.dirty:
            try:
                os.fdatasync(self._descriptor)
            except OSError:
                self._take_back()
                raise
            self.dirty = False
            self._synced_at = time.time()
        self.durable = self._received()

    def close(self) -> None:
        """Make durable what was written, and close the file."""
        if self._descriptor < 0:
            return
        try:
            if not self._failed:
                self.sync()
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def _take_back(self) -> None:
        """Cut off what is not known to be durable: it is requested again, and written again.

        A kernel that could not write a page forgets that it had to. The next sync would succeed,
        and so would a reading of the file, until the machine is restarted.
        """
        self._failed = True
        durable = self.durable.position if self.durable.file == self.file else 0
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, durable if durable > FIRST_OFFSET else 0)

    def tail(self) -> FileTail | None:
        """Return what is here of the newest file; None if only the file itself can tell."""
        if self.comparing:
            return None
        return FileTail(
            self._folder / self.file,
            self.position,
            self._last_transaction,
            self._tracker.last_boundary,
            self._checksummed,
            self._complete,
            self._commit_micros,
        )

    def _received(self) -> Received:
        position = max(self.position, self._compare_until)
        boundary = self._tracker.last_boundary
        return Received(self.file, position, boundary, self._commit_micros, self._synced_at)

    def _create(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(self._folder / self.file, flags, 0o600)
        with _closed_on_failure(descriptor):
            os.write(descriptor, MAGIC)
            self.dirty = True
            _sync_folder(self._folder)
        return descriptor

    def _reopen(self, tail: FileTail) -> int:
        """Open a file that is here, without what follows its last whole event."""
        descriptor = os.open(tail.path, os.O_RDWR | os.O_CLOEXEC)
        with _closed_on_failure(descriptor):
            os.ftruncate(descriptor, tail.end)
            if tail.end < FIRST_OFFSET:
                os.pwrite(descriptor, MAGIC, 0)
            self._compare_until = tail.end
            os.fsync(descriptor)
        return descriptor

    def _take_special(self, header: EventHeader, event: memoryview) -> bool:
        """Act on an event that is not simply content; return whether it belongs to the file."""
        if header.type in _HEARTBEATS:
            return False
        artificial = header.flags & FLAG_ARTIFICIAL or header.log_pos == 0
        if header.type == EventType.ROTATE and artificial:
            self._go_to(_next_file(event))
            return False
        if header.type == EventType.FORMAT_DESCRIPTION:
            if not self._described and self._requested_at > FIRST_OFFSET:
                # The source repeats it in front of the events from the middle of a file.
                self._described = True
                return False
            self._describe(event)
            return True
        return not artificial

    def _describe(self, event: memoryview) -> None:
        if self.position != FIRST_OFFSET or self._described:
            raise self._wrong(f"a format description arrived at {self.position}")
        self._described = True
        if isal_zlib.crc32(event) != WHOLE:
            raise self._wrong("the format description does not have the checksum it carries")
        self._checksummed = read_format_description(event).checksummed
        self._tracker = TransactionTracker(self._checksummed)

    def _follow(self, header: EventHeader, event: memoryview, start: int) -> None:
        if transaction := self._tracker.feed(header, event, start):
            self._commit_micros = transaction.commit_micros
            self._last_transaction = transaction.start
        self._complete = header.type == EventType.ROTATE

    def _go_to(self, file: str) -> None:
        """Follow the stream to the file that it names."""
        if not self._named:
            self._named = True
            if file != self.file:
                raise self._other(f"the source sends {file} where {self.file} was requested")
            return
        if file == self.file:
            return
        if self.comparing:
            raise StreamEnded(
                StreamEnd.BEHIND,
                f"the source's {self.file} ends at {self.position}, received were "
                f"{self._compare_until} bytes: it has lost its newest transactions",
                hint="Keep the archive's older timeline: it has transactions that the source lost.",
            )
        if file_number(file) != file_number(self.file) + 1:
            raise StreamEnded(
                StreamEnd.MISSING, f"the source goes on with {file} after {self.file}"
            )
        self.close()
        self.file, self.position, self._requested_at = file, FIRST_OFFSET, FIRST_OFFSET
        self._compare_until, self._described = 0, False
        self._tracker = TransactionTracker(self._checksummed)
        self._last_transaction, self._complete = FIRST_OFFSET, False
        self._descriptor = self._create()

    def _write(self, pieces: list[memoryview], end: int) -> None:
        """Write the pieces that end at ``end``; what is here already is compared."""
        if not pieces:
            return
        start = self.position
        if start < self._compare_until:
            pieces, start = self._compare(pieces, start)
        for first in range(0, len(pieces), _MOST_PIECES):
            start += _write_all(self._descriptor, pieces[first : first + _MOST_PIECES], start)
            self.dirty = True
        self.position = end
        while self._stored and self._stored[0].end <= end:
            self._check_stored(self._stored.pop(0))

    def _compare(self, pieces: list[memoryview], start: int) -> tuple[list[memoryview], int]:
        """Compare with what is here; return what is not, and where it begins."""
        arrived = b"".join(pieces)
        here = os.pread(self._descriptor, min(len(arrived), self._compare_until - start), start)
        if here != arrived[: len(here)]:
            raise self._other(f"the source's {self.file} has other bytes from {start} on")
        rest = memoryview(arrived)[len(here) :]
        return [rest] if rest else [], start + len(here)

    def _check_stored(self, piece: StoredPiece) -> None:
        """Hash what has arrived of a piece; nothing after it counts as received before."""
        digest = hashlib.sha256()
        for start in range(piece.start, piece.end, _HASHED_BYTES):
            size = min(_HASHED_BYTES, piece.end - start)
            digest.update(os.pread(self._descriptor, size, start))
        if digest.hexdigest() != piece.sha256:
            raise self._other(
                f"the source's {self.file} has other bytes than were stored of it "
                f"from {piece.start} to {piece.end}"
            )

    def _misplaced(self, header: EventHeader, size: int, start: int) -> BinlogDamaged:
        return self._wrong(
            f"the event of type {header.type} at {start} has {size} bytes, its header names "
            f"{header.size} bytes and the end {header.log_pos}"
        )

    def _wrong(self, what: str) -> BinlogDamaged:
        return BinlogDamaged(
            f"{self.file}: {what}",
            hint="It is requested again; if that is repeated, check the source's binary log with "
            "mysqlbinlog --verify-binlog-checksum.",
        )

    def _other(self, what: str) -> StreamEnded:
        return StreamEnded(StreamEnd.OTHER_HISTORY, what)


def _next_file(event: memoryview) -> str:
    """Return the name in an artificial ROTATE, which has a checksum or has none."""
    content = bytes(event)
    if isal_zlib.crc32(content) == WHOLE:
        content = content[:-CHECKSUM_BYTES]
    name = content[HEADER.size + 8 :].decode("utf-8", "replace")
    file_number(name)
    return name


def _write_all(descriptor: int, pieces: list[memoryview], offset: int) -> int:
    """Write all pieces from an offset on; return how many bytes they are."""
    total = sum(map(len, pieces))
    written = os.pwritev(descriptor, pieces, offset)
    if written == total:
        return total
    rest = memoryview(b"".join(pieces))[written:]
    while rest:
        written = os.pwrite(descriptor, rest, offset + total - len(rest))
        rest = rest[written:]
    return total


@contextlib.contextmanager
def _closed_on_failure(descriptor: int) -> Iterator[None]:
    """Close a descriptor that nobody gets: a full disk is tried again and again."""
    try:
        yield
    except OSError:
        os.close(descriptor)
        raise


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, and the folder's own name."""
    for path in (folder, folder.parent):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
