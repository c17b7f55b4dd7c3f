"""How are records written into durable packs, using all cores?

The caller's thread cuts records into frames of up to 4 MiB; others compress, seal and store them.
Memory is bounded: frames in flight times frame size, whatever the size of the instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from uuid import UUID

from backups.archive.blocks.differences import Differences
from backups.archive.blocks.filter import BlockFilter, ChangedBlocks
from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.blocks.reading import StoredTable
from backups.archive.blocks.table import TABLE_FILE
from backups.archive.cipher import Cipher
from backups.archive.contents import Contents
from backups.archive.file_table import FileTable
from backups.archive.frame_pipeline import FramePipeline
from backups.archive.frames import Extent, build_frame
from backups.archive.gathering import Gathered
from backups.archive.memory import keep_freed_memory
from backups.archive.meter import Meter
from backups.archive.pack_writer import BuiltFrame
from backups.archive.packs import FULL_BYTES
from backups.archive.records import (
    Data,
    Dropped,
    FileClosed,
    FileOpened,
    FileRemoved,
    FileRenamed,
    PhaseStarted,
    Record,
)
from backups.pacing.limiter import Limiter
from backups.repositories.several import Stores

_ADDED_AT_ONCE = 1 << 20


class ArchiveWriter:
    """Writes one backup into one or several stores at once.

    ``check`` is called between frames and before a pack is committed; it raises when the job
    must end. After any error call ``abort``; what was written so far is then incomplete.
    """

    def __init__(
        self,
        stores: Stores,
        folder: str,
        *,
        backup: UUID,
        cipher: Cipher,
        threads: int,
        level: int,
        check: Callable[[], None],
        meter: Meter,
        pace: Limiter,
        base: StoredTable | None = None,
        differences: Differences | None = None,
        full_bytes: int = FULL_BYTES,
    ) -> None:
        """Of blocks that the backup ``base`` has, no bytes are stored.

        With ``differences``, from the full backup of its chain, changed blocks may be such.
        """
        keep_freed_memory()
        self._backup, self._cipher, self._level = backup, cipher, level
        self._check, self._meter, self._pace = check, meter, pace
        self._files = FileTable()
        self._filter = BlockFilter(base, self._write_alone, meter)
        self._phases = [0]
        self._plain, self._changed = Gathered(), Gathered()
        self._differences = differences
        self._pipeline = FramePipeline(
            stores,
            folder,
            backup=backup,
            cipher=cipher,
            threads=threads,
            check=check,
            meter=meter,
            full_bytes=full_bytes,
        )

    def write(self, record: Record) -> None:
        """Write one record; blocks while the stores are slower than the engine."""
        match record:
            case Data():
                self._files.check_open(record)
                self._read(len(record.payload))
            case Dropped(size):
                self._read(size)
                return
            case FileOpened():
                # Refused before anything is kept of it.
                self._files.open(record)
                self._meter.current_file = record.path
        for needed in self._filter.take(record):
            self._store(needed)

    def _read(self, size: int) -> None:
        """Pace what was read, whether or not it is stored: the instance has had the work."""
        self._check()
        self._pace.spend(size, self._check)

    def add_file(self, path: str, content: Iterable[bytes]) -> int:
        """Write a file that is not the engine's, once all of the engine's are there.

        Return its size.
        """
        number, size = self._files.unused_number(), 0
        self.write(FileOpened(number, path))
        for piece in _in_whole_blocks(content):
            self.write(Data(number, size, memoryview(piece)))
            size += len(piece)
        self.write(FileClosed(number, size))
        return size

    def _store(self, record: Record) -> None:
        match record:
            case Data():
                self._gather(record)
            case FileClosed():
                self._files.close(record)
                self._meter.files_done += 1
            case FileRenamed():
                self._files.rename(record)
            case FileRemoved():
                self._meter.files_done -= self._files.remove(record)
            case PhaseStarted():
                self._flush(self._plain)
                self._flush(self._changed)
                if self._phases[-1] != self._pipeline.next_frame:
                    self._phases.append(self._pipeline.next_frame)

    def finish(self) -> Contents:
        """Write what is left and return what was written, every pack durable."""
        self._files.check_finished()
        self._flush(self._plain)
        self._flush(self._changed)
        blocks = self._filter.finish(self._files.numbers())
        packs = self._pipeline.finish()
        files = self._files.stored(self._pipeline.pack_ranges)
        blocks = replace(blocks, differences=self._pipeline.difference_frames)
        return Contents(files, packs, tuple(self._phases), blocks)

    def abort(self) -> None:
        """Stop all threads and drop the unfinished pack. May be called at any time."""
        self._pipeline.abort()

    def _gather(self, piece: Data) -> None:
        self._files.add(piece)
        full_file = piece.full_file if isinstance(piece, ChangedBlocks) else 0
        # In frames of their own: a frame holds differences as a whole, or none.
        apart = full_file and self._differences is not None
        frame = self._changed if apart else self._plain
        rest, offset = piece.payload, piece.offset
        while rest:
            if taken := frame.add(piece.file, full_file, offset, rest):
                rest, offset = rest[taken:], offset + taken
            if rest or frame.is_full:
                self._flush(frame)

    def _flush(self, frame: Gathered) -> None:
        """Pass a gathered frame to the pool."""
        if not frame.extents:
            return
        self._check()
        self._pipeline.submit(partial(self._build, frame.take()))

    def _write_alone(self, extents: list[Extent], pieces: list[memoryview]) -> int:
        """Write a frame of its own, which is of no file of the backup; return its number."""
        self._check()
        return self._pipeline.submit(partial(self._build, Gathered(extents, pieces)))

    def _build(self, frame: Gathered, number: int) -> BuiltFrame:
        compressed = frame.compress(self._level, self._differences)
        stored = build_frame(
            number, frame.extents, compressed, backup=self._backup, cipher=self._cipher
        )
        numbers = {extent.file for extent in frame.extents} - {TABLE_FILE}
        paths = {number: self._files.path(number) for number in numbers}
        return BuiltFrame(number, frame.extents, stored, paths, compressed.is_difference)


def _in_whole_blocks(content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes as engines send them: in few pieces, and no block in two of them."""
    gathered = bytearray()
    for piece in content:
        gathered += piece
        if len(gathered) >= _ADDED_AT_ONCE:
            whole = len(gathered) - len(gathered) % BLOCK_BYTES
            yield bytes(gathered[:whole])
            del gathered[:whole]
    if gathered:
        yield bytes(gathered)
