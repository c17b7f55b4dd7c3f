"""Which transactions are in an instance's archive, around a moment or by name?

All timelines of the instance in their order, each piece by its index; what is still in the spool
and in no stored piece is indexed when it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from django.db.models import Prefetch

from backups.archive.keys import Keyring
from backups.binlog_archive.reader import ArchivedBinlogs, sound_copies
from backups.binlog_archive.seams import Seam, end_of, stored_seam
from backups.binlogs.events.changes import Change, read_changes
from backups.binlogs.events.gtids import parse_gtids
from backups.binlogs.events.header import FIRST_OFFSET, HEADER, read_format_description, read_header
from backups.binlogs.events.seams import find_seam
from backups.binlogs.index.build import build_index
from backups.binlogs.index.read import IndexedTransaction, SegmentIndex
from backups.binlogs.moments import to_micros
from backups.binlogs.segments.names import file_number
from backups.exceptions import BadInput, BinlogDamaged, MooringError, Refused
from backups.keys.load import known_keys
from backups.models import BinlogSegment, BinlogTimeline, Instance

# In how many pieces on each side of a moment one question looks: 64 MiB each at most.
MOST_PIECES = 400


@dataclass(frozen=True, slots=True)
class WantedTransactions:
    """Which transactions a person looks for."""

    # ``schema.table``, or a table's name alone.
    table: str = ""
    ddl: bool = False
    min_bytes: int = 0

    def may_be_in(self, index: SegmentIndex) -> bool:
        """Whether a piece can have one, without a look at each."""
        if self.ddl and not index.has_ddl:
            return False
        names = (name.lower() for name in index.tables)
        return not self.table or index.has_ddl or any(map(self._is_named, names))

    def matches(self, transaction: IndexedTransaction) -> bool:
        if transaction.bytes < self.min_bytes or (self.ddl and not transaction.ddl):
            return False
        return not self.table or self._touches(transaction)

    def _touches(self, transaction: IndexedTransaction) -> bool:
        if any(self._is_named(table.name.lower()) for table in transaction.tables):
            return True
        # A DDL names its table only as text.
        wanted = self.table.lower()
        plain = transaction.statement.lower().replace("`", "")
        for mark in ".,;(":
            plain = plain.replace(mark, " ")
        return transaction.ddl and (wanted.partition(".")[2] or wanted) in plain.split()

    def _is_named(self, name: str) -> bool:
        wanted = self.table.lower()
        return name == wanted or name.partition(".")[2] == wanted


@dataclass(frozen=True, slots=True)
class IndexedPiece:
    """A range of a file whose transactions one index has."""

    timeline: BinlogTimeline
    file: str
    start: int
    end: int
    # None: it is in the spool only, and these are the GTIDs before it.
    segment: BinlogSegment | None
    gtids_before: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A transaction of the archive."""

    piece: IndexedPiece
    transaction: IndexedTransaction

    @property
    def place(self) -> str:
        return f"{self.piece.file}:{self.transaction.start}"

    @property
    def name(self) -> str:
        """The GTID or, where it has none, the place."""
        return self.transaction.gtid or self.place


class InstanceBinlogs:
    """The archived transactions of one instance."""

    def __init__(self, instance: Instance, keyring: Keyring | None) -> None:
        timelines = instance.binlog_timelines.select_related("instance").order_by("began_at", "pk")
        self._archived = {each.pk: ArchivedBinlogs(each, keyring) for each in timelines}
        self._indexes: dict[IndexedPiece, SegmentIndex] = {}
        # By timeline: the first of those that go on in each other.
        self._history: dict[int, int] = {}
        self.pieces = [piece for each in timelines for piece in self._own_pieces_of(each)]
        # Whether the last question was not looked for in all pieces that could answer it.
        self.incomplete = False
        if not self.pieces:
            raise Refused(
                f"no binlogs of {instance.name} are archived",
                hint="Enable the archive with archivebinlogs.",
            )

    def around(
        self,
        micros: int | None,
        wanted: WantedTransactions,
        count: int,
        reach: int = MOST_PIECES,
    ) -> tuple[list[Found], int]:
        """Return up to ``count`` before and after a moment, and how many of them are before.

        ``micros`` None: the newest. ``reach``: in so many pieces on each side.
        """
        self.incomplete = False
        place = (len(self.pieces), 0) if micros is None else self._first_later_than(micros)
        before = list(islice(self._backwards(place, wanted, reach), count))
        after = list(islice(self._forwards(place, wanted, reach), count))
        return [*reversed(before), *after], len(before)

    def first_later_than(self, micros: int) -> Found | None:
        """Return the first transaction, in the order of the files, committed after a moment."""
        place = self._first_later_than(micros)
        return next(self._forwards(place, WantedTransactions(), 1), None)

    def named(self, name: str) -> Found:
        """Return the transaction with a GTID, or one that begins at FILE:POSITION."""
        file, _, position = name.rpartition(":")
        try:
            at_position = "." in file and position.isdecimal()
            found = self._at(file, int(position)) if at_position else self._by_gtid(name)
        except BinlogDamaged as error:
            raise BadInput(str(error), hint="Write a GTID, or FILE:POSITION.") from error
        if found is None:
            raise BadInput(
                f"no archived transaction is called {name}",
                hint="Look for it with listtransactions.",
            )
        return found

    def after(self, found: Found, tables: Set[str]) -> Iterator[Found]:
        """Yield the later transactions of the same history that changed one of the tables."""
        first = found.transaction.number + 1
        for piece in self.pieces[self.pieces.index(found.piece) :]:
            if self._history[piece.timeline.pk] != self._history[found.piece.timeline.pk]:
                return
            for transaction in self.index(piece).touching(tables, first):
                yield Found(piece, transaction)
            first = 0

    def changes(self, found: Found) -> Iterator[Change]:
        """Yield what a transaction did."""
        transaction, piece = found.transaction, found.piece
        chunks = self._read(piece, transaction.start, transaction.end)
        return read_changes(chunks, transaction.start, self._checksummed(piece))

    def index(self, piece: IndexedPiece) -> SegmentIndex:
        if piece not in self._indexes:
            if len(self._indexes) > 3:
                self._indexes.pop(next(iter(self._indexes)))
            self._indexes[piece] = SegmentIndex.unpack(self._packed(piece))
        return self._indexes[piece]

    def _own_pieces_of(self, timeline: BinlogTimeline) -> list[IndexedPiece]:
        """Return the pieces of a timeline, less what the server before it has as well."""
        pieces = list(self._pieces_of(timeline))
        self._history[timeline.pk] = timeline.pk
        if (seam := stored_seam(timeline)) is None or seam.never or not pieces:
            return pieces
        self._history[timeline.pk] = self._history[seam.before.pk]
        if seam.file_number is not None and seam.position is not None:
            place = (seam.file_number, seam.position)
            return [each for each in pieces if (file_number(each.file), each.start) >= place]
        return self._not_cut_yet(pieces, seam)

    def _not_cut_yet(self, pieces: list[IndexedPiece], seam: Seam) -> list[IndexedPiece]:
        """Return what follows the seam in the spool; nothing where it is not there yet."""
        try:
            return list(self._after_seam(pieces, end_of(seam.before)))
        except MooringError:
            # What is in both is shown twice until it is stored.
            return pieces

    def _after_seam(self, pieces: list[IndexedPiece], end: str) -> Iterator[IndexedPiece]:
        first = self.index(pieces[0]).gtids_before(0)
        for number, piece in enumerate(pieces):
            if piece.segment is not None:
                continue
            index = self.index(piece)
            gtids = (each.gtid for each in index.transactions())
            later = self._gtids_of(pieces[number + 1 :])
            count = find_seam(end, first, index.gtids_before(0), gtids, later)
            if count is not None:
                at = index.transaction(count - 1).end if count else piece.start
                if at < piece.end:
                    yield IndexedPiece(piece.timeline, piece.file, at, piece.end, None, end)
                yield from pieces[number + 1 :]
                return

    def _gtids_of(self, pieces: Iterable[IndexedPiece]) -> Iterator[str]:
        for piece in pieces:
            for each in self.index(piece).transactions():
                yield each.gtid

    def _pieces_of(self, timeline: BinlogTimeline) -> Iterator[IndexedPiece]:
        """Yield the stored pieces, and after those of its file what the spool has beyond them."""
        # Sets of GTIDs may be long, and there may be a piece per minute.
        rows = timeline.segments.defer("gtids_before", "gtids_after")
        stored = list(rows.order_by("file_number", "start"))
        pieces = [IndexedPiece(timeline, each.file, each.start, each.end, each) for each in stored]
        last = {each.file_number: each for each in stored}
        for file, end in self._archived[timeline.pk].spooled():
            segment = last.get(file.number)
            start = segment.end if segment is not None else 0
            if start < end:
                before = segment.gtids_after if segment is not None else ""
                pieces.append(IndexedPiece(timeline, file.name, start, end, None, before))
        yield from sorted(pieces, key=lambda piece: (file_number(piece.file), piece.start))

    def _packed(self, piece: IndexedPiece) -> bytes:
        if piece.segment is not None:
            copies = sound_copies().select_related("repository").order_by("pk")
            segment = BinlogSegment.objects.prefetch_related(Prefetch("copies", queryset=copies))
            with suppress(MooringError):
                return self._archived[piece.timeline.pk].index(segment.get(pk=piece.segment.pk))
        # From its bytes, wherever they are: what fails now says why.
        before = piece.segment.gtids_before if piece.segment is not None else piece.gtids_before
        packed, _ = build_index(
            self._read(piece, piece.start, piece.end),
            checksummed=self._checksummed(piece),
            start=piece.start,
            gtids_before=before,
        )
        return packed

    def _read(self, piece: IndexedPiece, start: int, end: int) -> Iterator[bytes]:
        return self._archived[piece.timeline.pk].read(piece.file, start, end)

    def _checksummed(self, piece: IndexedPiece) -> bool:
        """Read what the file's first event says."""
        start = b"".join(self._read(piece, FIRST_OFFSET, FIRST_OFFSET + HEADER.size))
        size = read_header(start).size
        return read_format_description(
            b"".join(self._read(piece, FIRST_OFFSET, FIRST_OFFSET + size))
        ).checksummed

    def _first_later_than(self, micros: int) -> tuple[int, int]:
        """Return the piece, and in it the number, of the first one committed after a moment."""
        for number, piece in enumerate(self.pieces):
            segment = piece.segment
            if segment is not None and (
                segment.last_commit_at is None or to_micros(segment.last_commit_at) <= micros
            ):
                continue
            index = self.index(piece)
            first = index.first_later_than(micros)
            if first < len(index):
                return number, first
        return len(self.pieces), 0

    def _forwards(
        self, place: tuple[int, int], wanted: WantedTransactions, reach: int
    ) -> Iterator[Found]:
        number, first = place
        for piece in self.pieces[number : number + reach]:
            index = self.index(piece)
            if wanted.may_be_in(index):
                for transaction in index.transactions(first):
                    if wanted.matches(transaction):
                        yield Found(piece, transaction)
            first = 0
        self.incomplete |= number + reach < len(self.pieces)

    def _backwards(
        self, place: tuple[int, int], wanted: WantedTransactions, reach: int
    ) -> Iterator[Found]:
        number, last = place
        newest = min(number, len(self.pieces) - 1)
        for at in range(newest, max(newest - reach, -1), -1):
            index = self.index(self.pieces[at])
            end = last if at == number else len(index)
            if not wanted.may_be_in(index):
                continue
            for count in range(end - 1, -1, -1):
                transaction = index.transaction(count)
                if wanted.matches(transaction):
                    yield Found(self.pieces[at], transaction)
        self.incomplete |= newest - reach >= 0

    def _at(self, file: str, position: int) -> Found | None:
        # The newest history first: names are used again.
        for piece in reversed(self.pieces):
            if piece.file == file and piece.start <= position < piece.end:
                index = self.index(piece)
                number = index.starting_at(position)
                if number is not None and number < len(index):
                    transaction = index.transaction(number)
                    if transaction.start == position:
                        return Found(piece, transaction)
        return None

    def _by_gtid(self, gtid: str) -> Found | None:
        name = str(parse_gtids(gtid))
        likely = self._pieces_that_may_have(name)
        # MariaDB's numbers go back where gtid_strict_mode is off: then the positions do not tell.
        others = [] if ":" in name else [piece for piece in self.pieces if piece not in likely]
        # The newest history first: numbers are used again after a RESET.
        for piece in (*reversed(likely), *reversed(others)):
            index = self.index(piece)
            number = index.find(name)
            if number is not None:
                return Found(piece, index.transaction(number))
        return None

    def _pieces_that_may_have(self, gtid: str) -> list[IndexedPiece]:
        """Return those with it by the sets or positions around them, and all of the spool."""
        rows = BinlogSegment.objects.filter(timeline__in=list(self._archived))
        columns = rows.values_list("pk", "gtids_before", "gtids_after")
        likely = {
            pk
            for pk, before, after in columns.iterator(chunk_size=500)
            if _has(after, gtid) and not _has(before, gtid)
        }
        return [
            piece for piece in self.pieces if piece.segment is None or piece.segment.pk in likely
        ]


def open_binlogs(instance: Instance) -> InstanceBinlogs:
    """Return an instance's archived transactions; Refused where there are none."""
    # What is stored without encryption needs none; the rest says which key it needs.
    return InstanceBinlogs(instance, known_keys())


def _has(gtids: str, gtid: str) -> bool:
    """Whether a transaction is in a set or position; never in one of the other flavour."""
    if not gtids or (":" in gtids) != (":" in gtid):
        return False
    return gtid in parse_gtids(gtids)
