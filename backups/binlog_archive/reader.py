"""How are archived binlogs read: any range of any file, from repositories and from the spool?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Prefetch, QuerySet

from backups.access import checked_store
from backups.archive.keys import Keyring
from backups.binlog_archive.spool import SpoolFile, file_size, spool_file, spool_files
from backups.binlogs.segments.cut import read_range
from backups.binlogs.segments.names import SegmentPlace
from backups.binlogs.segments.reader import SegmentReader
from backups.catalog.preferred import nearness_of
from backups.catalog.reading_order import Nearness
from backups.exceptions import BinlogDamaged, MooringError, Refused
from backups.models import BinlogArchive, BinlogSegment, BinlogTimeline, Instance, SegmentCopy
from backups.repositories.base import ObjectStore


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """Bytes of one file that are there without a gap."""

    file: str
    number: int
    start: int
    end: int
    # Whether the file ends here.
    complete: bool


def sound_copies() -> QuerySet[SegmentCopy]:
    """Return the copies that can be relied on."""
    return SegmentCopy.objects.filter(fault="", expired_at=None, repository__fault="")


def openable_copies(keyring: Keyring | None) -> QuerySet[SegmentCopy]:
    """Return the sound copies that are not encrypted, or for which there is a key."""
    known = [key.id for key in keyring.keys] if keyring is not None else []
    return sound_copies().filter(key_id__in=["", *known])


def missing_keys(instance: Instance, keyring: Keyring | None) -> list[str]:
    """Return the ids of the keys with which pieces of an instance are encrypted and that lack."""
    used = SegmentCopy.objects.filter(segment__timeline__instance=instance, expired_at=None)
    ids = used.exclude(key_id="").order_by("key_id").values_list("key_id", flat=True).distinct()
    known = {key.id for key in keyring.keys} if keyring is not None else set()
    return [key for key in ids if key not in known]


class ArchivedBinlogs:
    """One timeline of an instance. What it returns was checked against what was stored."""

    def __init__(self, timeline: BinlogTimeline, keyring: Keyring | None) -> None:
        self.timeline, self._keyring = timeline, keyring
        self._stores: dict[int, ObjectStore] = {}
        # By repository: the nearest one is read first.
        self._near: dict[int, Nearness] = {}
        self._readers: dict[int, SegmentReader] = {}

    def files(self) -> list[ArchivedFile]:
        """Return what is there, in the order of the timeline; a gap begins another entry."""
        found: list[ArchivedFile] = []
        for segment in self._segments():
            if any(self._opens(copy) for copy in segment.copies.all()):
                number, complete = segment.file_number, segment.last_of_file
                _append(
                    found, ArchivedFile(segment.file, number, segment.start, segment.end, complete)
                )
        for file, end, complete in self._in_spool():
            number = file.number
            ends = [each.end for each in found if each.number == number]
            start = max(ends, default=0)
            if start < end:
                _append(found, ArchivedFile(file.name, number, start, end, complete))
        return sorted(found, key=lambda each: (each.number, each.start))

    def _opens(self, copy: SegmentCopy) -> bool:
        keys = self._keyring.keys if self._keyring is not None else ()
        return not copy.key_id or any(key.id == copy.key_id for key in keys)

    def spooled(self) -> Iterator[tuple[SpoolFile, int]]:
        """Yield the files of the spool, and up to where each is durable."""
        for file, end, _ in self._in_spool():
            yield file, end

    def read(self, file: str, start: int, stop: int) -> Iterator[bytes]:
        """Yield exactly the bytes of a file from ``start`` to before ``stop``.

        Refused if no copy has some of them; another MooringError if none of the copies is whole.
        """
        at = start
        for segment in self._segments(file):
            if segment.start <= at < min(segment.end, stop):
                for chunk in self._read_segment(segment, at, min(segment.end, stop)):
                    yield chunk
                    at += len(chunk)
        if at < stop:
            yield from self._read_spool(file, at, stop)

    def indexes(self, file: str | None = None) -> Iterator[tuple[BinlogSegment, bytes]]:
        """Yield each stored piece with its packed index."""
        for segment in self._segments(file):
            yield segment, self.index(segment)

    def index(self, segment: BinlogSegment) -> bytes:
        """Return the packed index of a piece from the first copy that can be read."""
        for _, reader in self._readers_of(segment):
            return reader.index()
        raise _nowhere(segment.file, segment.start, segment.end)

    def _segments(self, file: str | None = None) -> Sequence[BinlogSegment]:
        rows = self.timeline.segments.order_by("file_number", "start")
        if file is not None:
            rows = rows.filter(file=file)
        copies = sound_copies().select_related("repository").order_by("pk")
        return list(rows.prefetch_related(Prefetch("copies", queryset=copies)))

    def _read_segment(self, segment: BinlogSegment, start: int, stop: int) -> Iterator[bytes]:
        """Yield a range of a piece; where one copy fails, the next goes on."""
        at, error = start, _nowhere(segment.file, start, stop)
        for copy, reader in self._readers_of(segment):
            try:
                for chunk in reader.read(at, stop):
                    yield chunk
                    at += len(chunk)
                return
            except MooringError as exc:
                error = exc
                self._readers.pop(copy.pk, None)
        if spool_file(self.timeline, segment.file).exists():
            yield from self._read_spool(segment.file, at, stop)
            return
        raise error

    def _readers_of(self, segment: BinlogSegment) -> Iterator[tuple[SegmentCopy, SegmentReader]]:
        instance = self.timeline.instance
        place = SegmentPlace(instance.uuid, self.timeline.uuid, segment.file, segment.start)
        error: MooringError | None = None
        for copy in sorted(segment.copies.all(), key=self._nearness_of):
            try:
                if copy.pk not in self._readers:
                    self._readers = {
                        copy.pk: SegmentReader(
                            self._store_of(copy), place, self._keyring, copy.digest
                        )
                    }
                reader = self._readers[copy.pk]
            except MooringError as exc:
                error = exc
                continue
            error = None
            yield copy, reader
        if error is not None:
            raise error

    def _nearness_of(self, copy: SegmentCopy) -> Nearness:
        if copy.repository_id not in self._near:
            self._near[copy.repository_id] = nearness_of(copy.repository)
        return self._near[copy.repository_id]

    def _store_of(self, copy: SegmentCopy) -> ObjectStore:
        if copy.repository_id not in self._stores:
            self._stores[copy.repository_id] = checked_store(copy.repository)
        return self._stores[copy.repository_id]

    def _read_spool(self, file: str, start: int, stop: int) -> Iterator[bytes]:
        try:
            yield from read_range(spool_file(self.timeline, file), start, stop)
        except (FileNotFoundError, BinlogDamaged):
            raise _nowhere(file, start, stop) from None

    def _in_spool(self) -> Iterator[tuple[SpoolFile, int, bool]]:
        """Yield the files of the spool, up to where they are durable."""
        files = spool_files(self.timeline)
        archive = BinlogArchive.objects.filter(instance=self.timeline.instance).first()
        for file in files:
            is_last = file is files[-1] and self.timeline.ended_at is None
            if not is_last:
                # It may have left the spool by now.
                if size := file_size(file.path):
                    yield file, size, True
            elif archive is not None and archive.received_file == file.name:
                yield file, archive.received_position or 0, False


def _append(found: list[ArchivedFile], piece: ArchivedFile) -> None:
    last = found[-1] if found else None
    if last is not None and (last.number, last.end) == (piece.number, piece.start):
        found[-1] = ArchivedFile(last.file, last.number, last.start, piece.end, piece.complete)
    else:
        found.append(piece)


def _nowhere(file: str, start: int, stop: int) -> MooringError:
    return Refused(
        f"{file} from {start} to {stop} is in no repository and not in the spool",
        hint="Choose a moment before the gap, or a backup taken after it.",
    )
