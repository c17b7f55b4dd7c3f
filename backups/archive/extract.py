"""How do the files of a backup get back onto a disk, at the speed of all cores?

Ranged reads, unsealing, decompressing and writing happen in a pool of threads, frame by
frame; only phases wait for one another. Runs of zeros stay holes where nothing was before.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from backups.archive.contents import StoredFile
from backups.archive.frames import Frame
from backups.archive.meter import Meter
from backups.archive.packs import FramePlace
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError

# The grain of holes: the block size of the filesystems databases live on.
HOLE_BYTES = 4096
ZEROS = bytes(HOLE_BYTES)
FRAMES_IN_FLIGHT_PER_THREAD = 3


def extract(
    reader: BackupReader,
    target: Path,
    *,
    threads: int,
    check: Callable[[], None],
    meter: Meter,
    wanted: Callable[[str], bool] = lambda path: True,
) -> int:
    """Write the wanted files below ``target``, an existing empty folder; return how many.

    ``check`` is called between frames and raises when the job has to end. An OSError of the
    target's disk comes through as it is. ArchiveError when a file would not be whole.
    """
    files = {file.number: file for file in reader.manifest.contents.files if wanted(file.path)}
    places = list(_places_of(reader, files))
    meter.files_total = len(files)
    meter.raw_bytes_total = sum(file.written_bytes for file in files.values())
    output = _Output(target, files, meter)
    output.create_files()
    with ThreadPoolExecutor(threads, thread_name_prefix="extract") as pool:
        try:
            for first, end in reader.phase_bounds():
                _run_phase(
                    pool,
                    reader,
                    [each for each in places if first <= each[1].number < end],
                    output,
                    fresh=first == 0,
                    in_flight=threads * FRAMES_IN_FLIGHT_PER_THREAD,
                    check=check,
                )
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    output.check_complete()
    return len(files)


def _places_of(
    reader: BackupReader, files: dict[int, StoredFile]
) -> Iterator[tuple[int, FramePlace]]:
    """Yield pack and place of every frame with an extent of a wanted file."""
    needed = {
        number
        for file in files.values()
        for number in range(max(1, file.first_pack), file.last_pack + 1)
    }
    for number in sorted(needed):
        for place in reader.read_index(number).frames:
            if any(extent.file in files for extent in place.extents):
                yield number, place


def _run_phase(
    pool: ThreadPoolExecutor,
    reader: BackupReader,
    places: list[tuple[int, FramePlace]],
    output: _Output,
    *,
    fresh: bool,
    in_flight: int,
    check: Callable[[], None],
) -> None:
    """Apply the frames of one phase, in any order, with a bounded number in flight."""

    def apply(pack: int, place: FramePlace) -> None:
        output.write(reader.read_frame(pack, place), fresh=fresh)

    running: deque[Future[None]] = deque()
    for pack, place in places:
        check()
        if len(running) >= in_flight:
            running.popleft().result()
        running.append(pool.submit(apply, pack, place))
    while running:
        check()
        running.popleft().result()


class _Output:
    """The files being written."""

    def __init__(self, target: Path, files: dict[int, StoredFile], meter: Meter) -> None:
        self._files, self._meter = files, meter
        self._paths = {number: target / file.path for number, file in files.items()}
        self._lock = threading.Lock()
        self._written: Counter[int] = Counter()

    def create_files(self) -> None:
        """Make every file at its full length: bytes that are never written stay holes."""
        for folder in {path.parent for path in self._paths.values()}:
            # Only the server's own user may enter a data directory.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, path in self._paths.items():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
            try:
                os.ftruncate(descriptor, self._files[number].size)
            finally:
                os.close(descriptor)

    def write(self, frame: Frame, *, fresh: bool) -> None:
        """Put a frame's extents in their places."""
        start = 0
        for extent in frame.extents:
            end = start + extent.length
            if (file := self._files.get(extent.file)) is not None:
                if extent.offset + extent.length > file.size:
                    raise ArchiveError(f"frame {frame.number} reaches past the end of {file.path}")
                self._write_extent(file.number, frame.content, start, end, extent.offset, fresh)
                self._account(file, extent.length)
            start = end

    def _write_extent(
        self, file: int, content: bytes, start: int, end: int, offset: int, fresh: bool
    ) -> None:
        runs = content_runs(content, start, end, offset) if fresh else [(start, end)]
        view = memoryview(content)
        descriptor = os.open(self._paths[file], os.O_WRONLY)
        try:
            for run_start, run_end in runs:
                write_whole(descriptor, view[run_start:run_end], offset + run_start - start)
        finally:
            os.close(descriptor)

    def check_complete(self) -> None:
        for number, file in self._files.items():
            if self._written[number] != file.written_bytes:
                raise ArchiveError(
                    f"{file.path} got {self._written[number]} bytes, "
                    f"the manifest says {file.written_bytes}"
                )

    def _account(self, file: StoredFile, count: int) -> None:
        with self._lock:
            self._written[file.number] += count
            self._meter.raw_bytes += count
            self._meter.current_file = file.path
            if self._written[file.number] == file.written_bytes:
                self._meter.files_done += 1


def write_whole(descriptor: int, piece: memoryview, offset: int) -> None:
    """pwrite all of it: the call may write less than it was given."""
    while piece:
        count = os.pwrite(descriptor, piece, offset)
        piece, offset = piece[count:], offset + count


def content_runs(content: bytes, start: int, end: int, offset: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches of ``content[start:end]`` between its blocks of zeros.

    ``offset`` is where ``start`` goes in the file: blocks are those of the file.
    """
    run_start: int | None = None
    position = start
    while position < end:
        block_end = min(end, position + HOLE_BYTES - (offset + position - start) % HOLE_BYTES)
        whole = block_end - position == HOLE_BYTES
        if whole and content.startswith(ZEROS, position):
            if run_start is not None:
                yield run_start, position
                run_start = None
        elif run_start is None:
            run_start = position
        position = block_end
    if run_start is not None:
        yield run_start, end
