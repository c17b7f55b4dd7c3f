"""How are records written into durable packs, using all cores?

    caller's thread     cuts records into frames of up to 4 MiB
    pool of threads     compresses and seals each frame
    sink thread         puts frames in order into packs, and hashes them
    finisher thread     makes full packs durable while the next one is being written

Memory is bounded: frames in flight times frame size, whatever the size of the instance.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

from backups.archive.blocks.differences import Differences
from backups.archive.blocks.filter import BlockFilter, ChangedBlocks
from backups.archive.blocks.reading import StoredTable
from backups.archive.blocks.table import TABLE_FILE
from backups.archive.cipher import Cipher
from backups.archive.contents import Contents
from backups.archive.file_table import FileTable
from backups.archive.frames import Extent, build_frame
from backups.archive.gathering import Gathered
from backups.archive.memory import keep_freed_memory
from backups.archive.meter import Meter
from backups.archive.pace import Pace
from backups.archive.pack_writer import BuiltFrame, PackSink
from backups.archive.packs import FULL_BYTES
from backups.archive.records import (
    Data,
    FileClosed,
    FileOpened,
    FileRemoved,
    FileRenamed,
    PhaseStarted,
    Record,
)
from backups.exceptions import ArchiveError
from backups.repositories.base import ObjectStore

# Enough that the pool never waits for the reader, few enough to stay small in memory.
FRAMES_IN_FLIGHT_PER_THREAD = 3
# Buffered while a disk is briefly busy, before the cores have to wait for it.
FRAMES_TO_SPARE = 10


class ArchiveWriter:
    """Writes one backup into one or several stores at once.

    ``check`` is called between frames and before a pack is committed; it raises when the job
    must end. After any error call ``abort``; what was written so far is then incomplete.
    """

    def __init__(
        self,
        stores: Sequence[ObjectStore],
        folder: str,
        *,
        backup: UUID,
        cipher: Cipher,
        threads: int,
        level: int,
        check: Callable[[], None],
        meter: Meter,
        pace: Pace,
        base: StoredTable | None = None,
        differences: Differences | None = None,
        full_bytes: int = FULL_BYTES,
    ) -> None:
        """``base`` is what a backup goes on from: of blocks that it has, no bytes are stored.

        With ``differences``, from the full backup of its chain, changed blocks may be such.
        """
        keep_freed_memory()
        self._backup, self._cipher, self._level = backup, cipher, level
        self._check, self._meter, self._pace = check, meter, pace
        self._files = FileTable()
        self._filter = BlockFilter(base, self._write_alone, meter)
        self._phases = [0]
        self._next_frame = 0
        self._plain, self._changed = Gathered(), Gathered()
        self._differences, self._difference_frames = differences, 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="frame")
        self._places = threading.Semaphore(threads * FRAMES_IN_FLIGHT_PER_THREAD + FRAMES_TO_SPARE)
        self._built: queue.Queue[Future[BuiltFrame] | None] = queue.Queue()
        self._failure: BaseException | None = None
        self._sink = PackSink(
            stores, folder, backup=backup, cipher=cipher, check=check, full_bytes=full_bytes
        )
        self._sink_thread = threading.Thread(target=self._drain, name="pack", daemon=True)
        self._sink_thread.start()

    def write(self, record: Record) -> None:
        """Write one record; blocks while the stores are slower than the engine."""
        match record:
            case Data():
                self._files.check_open(record)
            case FileOpened():
                # Refused before anything is kept of it.
                self._files.open(record)
                self._meter.current_file = record.path
        for needed in self._filter.take(record):
            self._store(needed)

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
                if self._phases[-1] != self._next_frame:
                    self._phases.append(self._next_frame)

    def finish(self) -> Contents:
        """Write what is left and return what was written, every pack durable."""
        self._files.check_finished()
        self._flush(self._plain)
        self._flush(self._changed)
        blocks = self._filter.finish(self._files.numbers())
        self._built.put(None)
        self._sink_thread.join()
        self._pool.shutdown()
        self._raise_failure()
        packs = self._sink.finish()
        files = self._files.stored(self._sink.pack_ranges)
        blocks = replace(blocks, differences=self._difference_frames)
        return Contents(files, packs, tuple(self._phases), blocks)

    def abort(self) -> None:
        """Stop all threads and drop the unfinished pack. May be called at any time."""
        self._failure = self._failure or ArchiveError("aborted")
        self._pool.shutdown(cancel_futures=True)
        self._built.put(None)
        self._sink_thread.join()
        self._sink.abort()

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
        self._pace.spend(frame.raw_bytes, self._check)
        self._submit(frame.take())

    def _write_alone(self, extents: list[Extent], pieces: list[memoryview]) -> int:
        """Write a frame of its own, which is of no file of the backup; return its number."""
        self._check()
        self._submit(Gathered(extents, pieces))
        return self._next_frame - 1

    def _submit(self, frame: Gathered) -> None:
        """Wait until there is room in flight."""
        while not self._places.acquire(timeout=0.5):
            self._raise_failure()
            self._check()
        self._raise_failure()
        future = self._pool.submit(self._build, self._next_frame, frame)
        self._built.put(future)
        self._next_frame += 1

    def _build(self, number: int, frame: Gathered) -> BuiltFrame:
        compressed = frame.compress(self._level, self._differences)
        stored = build_frame(
            number, frame.extents, compressed, backup=self._backup, cipher=self._cipher
        )
        numbers = {extent.file for extent in frame.extents} - {TABLE_FILE}
        paths = {number: self._files.path(number) for number in numbers}
        return BuiltFrame(number, frame.extents, stored, paths, compressed.is_difference)

    def _drain(self) -> None:
        """Store frames in order, however they were built. Runs in the sink thread."""
        while (future := self._built.get()) is not None:
            try:
                if self._failure is None:
                    frame = future.result()
                    self._sink.put(frame)
                    raw_bytes = sum(
                        extent.length for extent in frame.extents if extent.file != TABLE_FILE
                    )
                    self._meter.raw_bytes += raw_bytes
                    if frame.is_difference:
                        self._difference_frames += 1
                        self._meter.difference_bytes += raw_bytes
                    self._meter.stored_bytes += len(frame.stored)
            except BaseException as exc:
                # Kept for the caller's thread, which is the one that can end the job.
                self._failure = self._failure or exc
            finally:
                self._places.release()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
