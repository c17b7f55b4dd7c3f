"""What is one connection of a replica sent, in which order?"""

from __future__ import annotations

from collections.abc import Iterator

from backups.binlogs.events.gtid_events import GTID_TYPES, read_gtid_event
from backups.binlogs.events.gtids import GtidPosition
from backups.binlogs.events.header import FIRST_OFFSET, EventType, clear_in_use
from backups.binlogs.events.transactions import DECISIVE_TYPES, TransactionTracker
from backups.binlogs.source import made_events
from backups.binlogs.source.known import Known
from backups.binlogs.source.reading import FileHead, events_of, read_head
from backups.binlogs.source.repeats import Repeats
from backups.binlogs.source.sent import Passed, Sent
from backups.binlogs.source.served import Served, ServedRange, StreamPlace
from backups.exceptions import BinlogDamaged

# In one write.
_BATCH_BYTES = 1024 * 1024
_OK = b"\0"
Batch = list[bytes]


class Stream:
    """The packets of one connection, but for heartbeats. Its attributes say where it is."""

    def __init__(
        self,
        served: Served,
        known: Known,
        sent: Sent,
        server_id: int,
        named: GtidPosition | None = None,
    ) -> None:
        """``named`` is the position that a MariaDB named, which it is sent back."""
        self._served, self._known, self._sent = served, known, sent
        self._server_id, self._named = server_id, named
        self._repeats = Repeats(served.start_gtids) if served.is_mariadb else None
        self._batch: Batch = []
        self._bytes = self._transactions = self._micros = 0
        self.file, self.offset, self.checksummed = "", 0, True

    def batches(self, begin: StreamPlace) -> Iterator[Batch]:
        """Yield everything from a place on, in portions for one write."""
        passed = self._sent.up_to(begin)
        self._transactions, self._micros = passed.transactions, passed.commit_micros
        before = 0
        for number, stretch in enumerate(self._served.stretches):
            if number >= begin.stretch:
                start = begin.offset if number == begin.stretch else stretch.start
                yield from self._stretch(StreamPlace(number, start), stretch, before)
            before += stretch.stop - stretch.start
        yield self._take()
        self._check_all()
        self._sent.finish()

    def _check_all(self) -> None:
        """Raise where what was read is not what was to be replayed."""
        if missing := self._known.missing():
            raise BinlogDamaged(f"the replica has {missing}, which none of the files served has")
        if kept := self._served.skipped - self._sent.skipped:
            raise BinlogDamaged(f"{', '.join(sorted(kept))} was to be left out and was not found")
        planned = self._served.transactions
        if planned is not None and self._transactions != planned:
            raise BinlogDamaged(
                f"the archive had {planned} transactions to replay when it was planned, "
                f"now it has {self._transactions}",
                hint="Restore again; if it repeats, check the archive.",
            )

    def _stretch(self, begin: StreamPlace, stretch: ServedRange, before: int) -> Iterator[Batch]:
        head = read_head(self._served.binlogs, stretch.file, stretch.stop)
        start = max(begin.offset, head.end)
        self._open_file(stretch.file, head, start, named=self._named if not before else None)
        if self._repeats is not None:
            self._repeats.enter(stretch.failovers)
        tracker = TransactionTracker(self.checksummed, start)
        chunks = self._served.binlogs.read(stretch.file, start, stretch.stop)
        left_out = False
        for event in events_of(chunks, start, stretch.file, checksummed=self.checksummed):
            kind = event.header.type
            if kind in GTID_TYPES:
                left_out = self._leaves_out(read_gtid_event(event.header, event.content).gtid)
            if not left_out:
                self._add(event.content)
            self.offset = event.offset + event.header.size
            if kind in DECISIVE_TYPES:
                ended = tracker.feed(event.header, event.content, event.offset)
                if ended is not None:
                    self._transactions += 1
                    self._sent.last_end = StreamPlace(begin.stretch, ended.end)
                    self._micros = max(self._micros, ended.commit_micros)
                    self._note(begin.stretch, before - stretch.start)
                left_out = left_out and tracker.inside
            if self._bytes >= _BATCH_BYTES:
                self._sent.reach(StreamPlace(begin.stretch, self.offset))
                yield self._take()
        if self.offset != max(stretch.stop, start) or tracker.inside:
            raise BinlogDamaged(
                f"{stretch.file} ends at {self.offset} and not between transactions at "
                f"{stretch.stop}"
            )
        self._sent.reach(StreamPlace(begin.stretch, self.offset))
        self._note(begin.stretch, before - stretch.start, always=True)

    def _open_file(
        self, file: str, head: FileHead, start: int, *, named: GtidPosition | None
    ) -> None:
        """Name the file and send what it begins with; events follow from ``start`` on.

        ``named``: of MariaDB, what the replica has where the stream begins.
        """
        within, checked = start > head.end, head.description.checksummed
        # The replica still expects what the file before had.
        known = self.checksummed if self.file else checked
        self._add(made_events.rotate(file, FIRST_OFFSET, self._server_id, checksummed=known))
        self.file, self.offset, self.checksummed = file, start, checked
        for event in head.events:
            if event.header.type == EventType.FORMAT_DESCRIPTION:
                content = bytes(event.content)
                self._add(made_events.description_within(content) if within
                          else clear_in_use(content))  # fmt: skip
            elif not (within and self._served.is_mariadb):
                self._add(event.content)
        if within and named is not None:
            self._add(made_events.gtid_list(named, self._server_id, checksummed=checked))

    def _leaves_out(self, gtid: str) -> bool:
        if self._repeats is not None:
            self._repeats.check(gtid)
        if self._known.has(gtid):
            return True
        if gtid in self._served.skipped:
            self._sent.skipped.add(gtid)
            return True
        self._sent.add_gtid(gtid)
        return False

    def _add(self, event: bytes | memoryview) -> None:
        self._batch.append(b"\0" + event)
        self._bytes += len(event)

    def _take(self) -> Batch:
        batch, self._batch, self._bytes = self._batch, [], 0
        return batch

    def _note(self, number: int, before: int, *, always: bool = False) -> None:
        """``before`` what was read is what lay in front of this file's first byte."""
        passed = Passed(self._transactions, before + self.offset, self._micros)
        self._sent.note(StreamPlace(number, self.offset), passed, always=always)
