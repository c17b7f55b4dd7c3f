"""How are the files of a backup extracted, using all cores?

Frames that have bytes to take are unsealed, decompressed and written in a pool of threads, frame by
frame, and read in another, ahead of it: a store may be distant. Only phases wait for one another,
and the backups of a chain. Sequential media are read in one thread, pack after pack. In the first
phase runs of zeros stay holes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Protocol

from backups.archive.blocks.assemble import Assembly
from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.contents import StoredFile
from backups.archive.frame_reads import FrameRead, frame_reads
from backups.archive.frames import Extent, Frame
from backups.archive.link_reads import UNWATCHED, ChainWatch, LinkRead
from backups.archive.memory import keep_freed_memory
from backups.archive.meter import Meter
from backups.archive.needed_frames import FrameList, FrameSource, frames_to_take
from backups.archive.output import FilePiece, OutputFiles
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError
from backups.repositories.sequential.store import sequential

FRAMES_IN_FLIGHT_PER_THREAD = 3
# So many frames are requested of the store at the same time.
READS_AT_ONCE = 8


class PieceSource(FrameSource, Protocol):
    """Which bytes of which frame belong where in the files."""

    def take(self, depth: int, frame: Frame) -> Iterator[FilePiece]: ...


def extract(
    chain: Sequence[BackupReader],
    target: Path,
    *,
    threads: int,
    check: Callable[[], None],
    meter: Meter,
    wanted: Callable[[str], bool] = lambda path: True,
    watch: ChainWatch = UNWATCHED,
) -> int:
    """Write the wanted files below ``target``, an existing empty folder; return how many.

    ``chain`` are the backup and all that it needs, the full one first. ``check`` is called between
    frames and raises when the job must end. An OSError of the target's disk is passed on;
    ArchiveError if a file would be incomplete, or a block is not what it was.
    """
    keep_freed_memory()
    own = len(chain) - 1
    listed = chain[own].manifest.contents.files
    files = {file.number: file for file in listed if wanted(file.path)}
    output = OutputFiles(target, files, meter)
    assembly = Assembly(chain, files.values(), read_written=output.read) if own else None
    if assembly:
        assembly.find_differences(check)
    meter.files_total = len(files)
    meter.raw_bytes_total = _bytes_to_take(assembly, files.values())
    output.create_files()
    source: PieceSource = assembly or _OneBackup(files)
    _take_all(chain, source, output, threads, check, watch)
    output.check_complete()
    if assembly:
        _check_rest(assembly, output, check)
    # Where a block was written twice, it was not known before.
    meter.raw_bytes_total = meter.raw_bytes
    return len(files)


def stored_bytes_needed(chain: Sequence[BackupReader], wanted: Callable[[str], bool]) -> int | None:
    """Return how many stored bytes an extraction of the wanted files reads.

    None where it shows only on the way: a backup that needs others, and sequential media.
    """
    reader = chain[-1]
    if len(chain) > 1 or sequential(reader.store) is not None:
        return None
    files = reader.manifest.contents.files
    source = _OneBackup({file.number: file for file in files if wanted(file.path)})
    return sum(place.stored_bytes for _, place in frames_to_take(reader, source, 0))


def _take_all(
    chain: Sequence[BackupReader],
    source: PieceSource,
    output: OutputFiles,
    threads: int,
    check: Callable[[], None],
    watch: ChainWatch,
) -> None:
    """Write what each backup of the chain has, one backup after the other."""
    with (
        ThreadPoolExecutor(threads, thread_name_prefix="extract") as pool,
        ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="read") as reads,
    ):
        pools = _Pools(reads, pool, threads * FRAMES_IN_FLIGHT_PER_THREAD + READS_AT_ONCE)
        try:
            for depth, reader in enumerate(chain):
                _Work(pools, reader, depth, source, output, check).run(watch, first=depth == 0)
        except BaseException:
            reads.shutdown(wait=False, cancel_futures=True)
            pool.shutdown(cancel_futures=True)
            raise


def _bytes_to_take(assembly: Assembly | None, files: Iterable[StoredFile]) -> int:
    if assembly is None:
        return sum(file.written_bytes for file in files)
    return sum(assembly.live_bytes(depth) for depth in range(len(assembly.chain)))


def _check_rest(assembly: Assembly, output: OutputFiles, check: Callable[[], None]) -> None:
    """Read what could not be checked piece by piece."""
    for file, block, digest in assembly.unchecked():
        check()
        content = output.read(file.number, block * BLOCK_BYTES, BLOCK_BYTES)
        assembly.check(file, block, digest, content)


class _OneBackup:
    """A backup that needs no other."""

    def __init__(self, files: Mapping[int, StoredFile]) -> None:
        self._files = files

    def sources(self, depth: int) -> Iterable[StoredFile]:
        return self._files.values()

    def needs(self, depth: int, extents: Sequence[Extent]) -> bool:
        return any(extent.file in self._files for extent in extents)

    def left(self, depth: int) -> FrameList | None:
        return None

    def read_before(self, depth: int) -> Mapping[int, int]:
        return {}

    def take(self, depth: int, frame: Frame) -> Iterator[FilePiece]:
        start, view = 0, memoryview(frame.content)
        for extent in frame.extents:
            if (file := self._files.get(extent.file)) is not None:
                if extent.offset + extent.length > file.size:
                    raise ArchiveError(f"frame {frame.number} reaches past the end of {file.path}")
                content = view[start : start + extent.length]
                yield FilePiece(file.number, extent.offset, content, extent.length)
            start += extent.length


class _Pools(NamedTuple):
    """The threads that read frames, those that open and write them, and how many are on the way."""

    reads: ThreadPoolExecutor
    writes: ThreadPoolExecutor
    in_flight: int


class _Work:
    """Frames of one backup being applied: a bounded number at a time, in any order in a phase."""

    def __init__(
        self,
        pools: _Pools,
        reader: BackupReader,
        depth: int,
        source: PieceSource,
        output: OutputFiles,
        check: Callable[[], None],
    ) -> None:
        self._pools, self._reader, self._depth = pools, reader, depth
        self._source, self._output, self._check = source, output, check
        self._running: deque[Future[None]] = deque()
        self._read = LinkRead.of(reader.manifest.contents)

    def run(self, watch: ChainWatch, *, first: bool) -> None:
        """Apply the frames in their order; at the end of a phase, wait for all of it.

        ``first``: nothing was written before.
        """
        watch.link_began(self._depth)
        before = self._source.read_before(self._depth)
        for stored_bytes in before.values():
            self._read.add(stored_bytes)
        later = deque(self._reader.manifest.contents.phases[1:])
        fresh = first
        with closing(frame_reads(self._reader, self._source, self._depth)) as reads:
            for read in reads:
                while later and read.number >= later[0]:
                    later.popleft()
                    fresh = False
                    self._wait(0)
                self._wait(self._pools.in_flight - 1)
                if read.number not in before:
                    self._read.add(read.stored_bytes)
                stored = self._pools.reads.submit(read.fetch)
                self._running.append(self._pools.writes.submit(self._apply, read, stored, fresh))
            self._wait(0)
        watch.link_ended(self._depth, self._read)

    def _apply(self, read: FrameRead, stored: Future[bytes], fresh: bool) -> None:
        frame = read.open(stored.result())
        for piece in self._source.take(self._depth, frame):
            self._output.write(piece, fresh=fresh)

    def _wait(self, left: int) -> None:
        self._check()
        while len(self._running) > left:
            self._running.popleft().result()
            self._check()
