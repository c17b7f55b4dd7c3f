"""Which pieces of a timeline follow each other, and which transactions are in one?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from backups.binlog_archive.reader import ArchivedBinlogs, ArchivedFile
from backups.binlog_archive.spool import spool_file
from backups.binlogs.events.gtids import sets_join
from backups.binlogs.index.build import build_index
from backups.binlogs.index.read import SegmentIndex
from backups.binlogs.moments import from_micros
from backups.binlogs.source.reading import read_head
from backups.models import BinlogSegment


@dataclass(slots=True)
class ReadablePiece:
    """Bytes of one file that can be read: a stored piece, or what is only in the spool."""

    archived: ArchivedBinlogs
    file: str
    number: int
    start: int
    end: int
    # Whether its file ends with it.
    last_of_file: bool = False
    # Of the spool there is no row.
    segment: BinlogSegment | None = None
    # The GTIDs before it, where no row has them and its file does not say them.
    known_before: str = ""
    _index: SegmentIndex | None = None

    @property
    def latest_commit(self) -> datetime | None:
        """The latest commit in it; None is unknown."""
        return self.segment.last_commit_at if self.segment is not None else None

    @property
    def is_empty(self) -> bool:
        """Whether it is known to have no transactions."""
        return self.segment is not None and self.segment.transactions == 0

    def find_latest_commit(self) -> datetime | None:
        """Return the latest commit in it, counted where no row has it; None: it has none."""
        if self.segment is not None:
            return self.latest_commit
        commits = [each.commit_micros for each in self.index().transactions()]
        return from_micros(max(commits)) if commits else None

    def find_gtids_after(self) -> str:
        """Return the set or position at its end."""
        if self.segment is not None:
            return self.segment.gtids_after
        return self.index().gtids_before(len(self.index()))

    def find_gtids_before(self) -> str:
        """Return the set or position in front of it."""
        if self.segment is not None:
            return self.segment.gtids_before
        return self.index().gtids_before(0)

    def from_offset(self, offset: int, gtids: str) -> ReadablePiece:
        """Return what of it follows an offset between two transactions, and those before that."""
        return ReadablePiece(
            self.archived,
            self.file,
            self.number,
            offset,
            self.end,
            self.last_of_file,
            known_before=gtids,
        )

    def index(self) -> SegmentIndex:
        """Return its index, from beside it, or else from its bytes."""
        if self._index is None:
            packed = self.archived.index(self.segment) if self.segment is not None else b""
            self._index = SegmentIndex.unpack(packed or self._built())
        return self._index

    def forget_index(self) -> None:
        """Free the memory that it takes."""
        self._index = None

    def _built(self) -> bytes:
        head = read_head(self.archived, self.file, self.end)
        chunks = self.archived.read(self.file, self.start, self.end)
        before = self.segment.gtids_before if self.segment is not None else self._gtids_before()
        packed, _ = build_index(
            chunks,
            checksummed=head.description.checksummed,
            start=self.start,
            gtids_before=before,
        )
        return packed

    def _gtids_before(self) -> str:
        """Return what the stored piece in front of it ends with; the start of a file says more."""
        if self.known_before:
            return self.known_before
        rows = self.archived.timeline.segments.filter(file_number=self.number, end=self.start)
        return rows.values_list("gtids_after", flat=True).first() or ""


def pieces_of(archived: ArchivedBinlogs) -> list[ReadablePiece]:
    """Return what can be read of a timeline, in its order."""
    segments = list(archived.timeline.segments.order_by("file_number", "start"))
    found: list[ReadablePiece] = []
    for file in archived.files():
        found += _pieces_in(archived, file, segments)
    return found


def _pieces_in(
    archived: ArchivedBinlogs, file: ArchivedFile, segments: list[BinlogSegment]
) -> Iterator[ReadablePiece]:
    at = file.start
    for each in segments:
        if each.file_number == file.number and file.start <= each.start < file.end:
            yield ReadablePiece(
                archived,
                each.file,
                each.file_number,
                each.start,
                each.end,
                last_of_file=each.last_of_file or (file.complete and each.end == file.end),
                segment=each,
            )
            at = each.end
    if at < file.end:
        yield ReadablePiece(archived, file.file, file.number, at, file.end, file.complete)


def joined_from(pieces: list[ReadablePiece], first: int) -> tuple[list[ReadablePiece], str]:
    """Return a piece and all that follow it without a gap, and what is behind the last.

    The text is blank where nothing is known to follow.
    """
    found = pieces[first : first + 1]
    for piece in pieces[first + 1 :]:
        last = found[-1]
        same_file = (piece.number, piece.start) == (last.number, last.end)
        next_file = piece.number == last.number + 1 and piece.start == 0
        if not (same_file or (next_file and _joins(last, piece))):
            return found, f"what follows {last.file}:{last.end} is missing"
        found.append(piece)
    return found, ""


def _joins(last: ReadablePiece, following: ReadablePiece) -> bool:
    """Whether nothing is between the end of a piece and the start of the next file."""
    if following.segment is not None and following.segment.joined:
        return True
    after = last.index().gtids_before(len(last.index()))
    ended = last.last_of_file or _is_whole(last)
    return sets_join(after, following.index().gtids_before(0), ended=ended)


def _is_whole(last: ReadablePiece) -> bool:
    """Whether its file is still in the spool, and ends with it; a later one is received by now."""
    try:
        size = spool_file(last.archived.timeline, last.file).stat().st_size
    except FileNotFoundError:
        return False
    return size == last.end
