"""How does a chain become a full backup of its own, without the server it is of?

Every frame of the chain that has live blocks is read once, in parallel, and every block is held
against the table of the last backup. Frames that are live as a whole keep their compressed bytes,
and are only sealed again; what is taken of the others is compressed again. Frames in flight are
all that is in memory.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from uuid import UUID

from backups.archive.blocks.damaged_link import HINT, naming_damaged
from backups.archive.blocks.live import LiveBlocks, LiveFrame
from backups.archive.blocks.merge_tables import merge_tables
from backups.archive.blocks.table import TABLE_FILE
from backups.archive.cipher import Cipher
from backups.archive.contents import Contents, StoredFile
from backups.archive.frame_pipeline import FramePipeline
from backups.archive.frames import Compressed, Extent, Frame, build_frame
from backups.archive.gathering import Gathered
from backups.archive.memory import keep_freed_memory
from backups.archive.meter import Meter
from backups.archive.needed_frames import frames_to_take
from backups.archive.pack_writer import BuiltFrame
from backups.archive.packs import FramePlace
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError
from backups.repositories.several import Stores

# Frames; of each there is a copy where differences are joined with it.
READ_PER_THREAD = 2


def consolidate(
    chain: Sequence[BackupReader],
    stores: Stores,
    folder: str,
    *,
    backup: UUID,
    cipher: Cipher,
    threads: int,
    level: int,
    check: Callable[[], None],
    meter: Meter,
) -> Contents:
    """Write what the last backup of ``chain`` restores as a full backup into ``folder``.

    ArchiveError names the backup of the chain that is damaged; what was written so far is then
    incomplete. ``check`` is called between frames and raises when the job must end.
    """
    keep_freed_memory()
    live = LiveBlocks(chain)
    live.find_differences(check)
    _expect(meter, live)
    pipeline = FramePipeline(
        stores,
        folder,
        backup=backup,
        cipher=cipher,
        threads=threads,
        check=check,
        meter=meter,
    )
    writer = _FullWriter(pipeline, live, backup, cipher, level)
    try:
        _take_all(live, writer, threads, check)
        contents = writer.finish()
    except BaseException:
        pipeline.abort()
        raise
    meter.files_done = len(contents.files)
    return contents


def _expect(meter: Meter, live: LiveBlocks) -> None:
    meter.files_total = len(live.chain[-1].manifest.contents.files)
    meter.raw_bytes_total = sum(live.live_bytes(depth) for depth in range(len(live.chain)))


def _take_all(
    live: LiveBlocks, writer: _FullWriter, threads: int, check: Callable[[], None]
) -> None:
    """Write every live block; ArchiveError if one is nowhere."""
    with ThreadPoolExecutor(threads, thread_name_prefix="read") as readers:
        reading = _Reading(readers, threads * READ_PER_THREAD, live, writer, check)
        try:
            for depth in range(len(live.chain)):
                reading.run(depth)
        except BaseException:
            readers.shutdown(cancel_futures=True)
            raise
    for file, block in live.missing():
        raise ArchiveError(f"block {block} of {file.path} is in no backup of the chain", hint=HINT)


class _Taken:
    """A frame that was read: what is taken of it, and what it can be made of again."""

    def __init__(self, live: LiveFrame, compressed: memoryview | None) -> None:
        """``compressed`` is the content, where it can be kept as it is."""
        self.live = live
        self.compressed: Compressed | None = None
        self.pieces: Sequence[memoryview] = ()
        if live.whole and compressed is not None:
            self.compressed = Compressed(bytes(compressed), len(live.content))
            return
        view = memoryview(live.content)
        pieces = [view[run.at : run.at + run.length] for run in live.runs]
        if 2 * sum(map(len, pieces)) < len(view):
            # A few bytes would keep all of the frame in memory.
            pieces = [memoryview(bytes(piece)) for piece in pieces]
        self.pieces = pieces


class _Reading:
    """Frames of a chain, read in parallel, a bounded number at a time, and written in order."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        in_flight: int,
        live: LiveBlocks,
        writer: _FullWriter,
        check: Callable[[], None],
    ) -> None:
        self._pool, self._in_flight = pool, in_flight
        self._live, self._writer, self._check = live, writer, check
        self._running: deque[Future[_Taken]] = deque()

    def run(self, depth: int) -> None:
        """Read what is live of one backup of the chain."""
        reader = self._live.chain[depth]
        ordered = depth == len(self._live.chain) - 1 and self._live.has_order
        # The first phase of the last backup may override what is in another, too.
        later = deque(reader.manifest.contents.phases if ordered else ())
        for pack, place in frames_to_take(reader, self._live, depth):
            while later and place.number >= later[0]:
                later.popleft()
                self._write(0)
                self._writer.start_phase()
            self._write(self._in_flight - 1)
            self._running.append(self._pool.submit(self._read, depth, pack, place))
        self._write(0)

    def _read(self, depth: int, pack: int, place: FramePlace) -> _Taken:
        reader = self._live.chain[depth]
        with naming_damaged(reader):
            frame, compressed = reader.read_compressed(pack, place)
        if frame.is_difference:
            # What is wrong here is wrong in the full backup, which the difference is from.
            with naming_damaged(self._live.chain[0]):
                frame = reader.resolve(frame)
            return self._take(depth, frame, None)
        return self._take(depth, frame, compressed)

    def _take(self, depth: int, frame: Frame, compressed: memoryview | None) -> _Taken:
        with naming_damaged(self._live.chain[depth]):
            live = self._live.take_live(depth, frame, may_stay=compressed is not None)
            return _Taken(live, compressed)

    def _write(self, left: int) -> None:
        self._check()
        while len(self._running) > left:
            self._writer.write(self._running.popleft().result())
            self._check()


class _FullWriter:
    """Frames of the new backup. Used by one thread."""

    def __init__(
        self, pipeline: FramePipeline, live: LiveBlocks, backup: UUID, cipher: Cipher, level: int
    ) -> None:
        self._pipeline, self._live = pipeline, live
        self._backup, self._cipher, self._level = backup, cipher, level
        self._listed = live.chain[-1].manifest.contents.files
        self._paths = {file.number: file.path for file in self._listed}
        self._written: Counter[int] = Counter()
        self._phases = [0]
        self._frame = Gathered()

    def write(self, taken: _Taken) -> None:
        if taken.compressed is not None:
            extents = [Extent(run.file, run.offset, run.length) for run in taken.live.runs]
            self._count(extents)
            self._pipeline.submit(partial(self._built, extents, taken.compressed))
            return
        for run, piece in zip(taken.live.runs, taken.pieces, strict=True):
            self._gather(run.file, run.offset, piece)
        for extent, content in taken.live.joined:
            self._gather(extent.file, extent.offset, memoryview(content))

    def start_phase(self) -> None:
        self._flush()
        if self._phases[-1] != self._pipeline.next_frame:
            self._phases.append(self._pipeline.next_frame)

    def finish(self) -> Contents:
        """Write what is left and the table; return what was written, every pack durable."""
        self._flush()
        blocks = merge_tables(self._live.table, self._listed, self._write_alone)
        packs = self._pipeline.finish()
        ranges = self._pipeline.pack_ranges
        files = tuple(
            StoredFile(
                file.number,
                file.path,
                file.size,
                self._written[file.number],
                *ranges.get(file.number, (0, 0)),
            )
            for file in self._listed
        )
        return Contents(files, packs, tuple(self._phases), blocks)

    def _gather(self, file: int, offset: int, piece: memoryview) -> None:
        while piece:
            taken = self._frame.add(file, 0, offset, piece)
            piece, offset = piece[taken:], offset + taken
            if piece or self._frame.is_full:
                self._flush()

    def _flush(self) -> None:
        if not self._frame.extents:
            return
        self._count(self._frame.extents)
        self._pipeline.submit(partial(self._build, self._frame.take()))

    def _write_alone(self, extents: list[Extent], pieces: list[memoryview]) -> int:
        return self._pipeline.submit(partial(self._build, Gathered(extents, pieces)))

    def _count(self, extents: Iterable[Extent]) -> None:
        for extent in extents:
            self._written[extent.file] += extent.length

    def _build(self, frame: Gathered, number: int) -> BuiltFrame:
        return self._built(frame.extents, frame.compress(self._level, None), number)

    def _built(self, extents: list[Extent], content: Compressed, number: int) -> BuiltFrame:
        stored = build_frame(number, extents, content, backup=self._backup, cipher=self._cipher)
        files = {extent.file for extent in extents} - {TABLE_FILE, self._live.nobody}
        return BuiltFrame(number, extents, stored, {file: self._paths[file] for file in files})
