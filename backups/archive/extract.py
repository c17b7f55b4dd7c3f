"""How are the files of a backup extracted, using all cores?

Ranged reads, unsealing, decompressing and writing happen in a pool of threads, frame by
frame; only phases wait for one another. In the first phase runs of zeros stay holes.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from backups.archive.contents import StoredFile
from backups.archive.frames import Frame
from backups.archive.memory import keep_freed_memory
from backups.archive.meter import Meter
from backups.archive.packs import FramePlace
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError

# The grain of holes: the block size of the filesystems databases live on.
HOLE_BYTES = 4096
ZEROS = bytes(HOLE_BYTES)
FRAMES_IN_FLIGHT_PER_THREAD = 3
# It holds the key to the other files: only the server's user may read it.
KEYRING_FOLDER = "mooring-keyring"


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

    ``check`` is called between frames and raises when the job must end. An OSError of the
    target's disk is passed on; ArchiveError if a file would be incomplete.
    """
    keep_freed_memory()
    files = {file.number: file for file in reader.manifest.contents.files if wanted(file.path)}
    meter.files_total = len(files)
    meter.raw_bytes_total = sum(file.written_bytes for file in files.values())
    output = _Output(target, files, meter)
    output.create_files()
    with ThreadPoolExecutor(threads, thread_name_prefix="extract") as pool:
        work = _Work(pool, reader, output, threads * FRAMES_IN_FLIGHT_PER_THREAD, check)
        try:
            work.apply_all(_places_of(reader, files))
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


class _Work:
    """Frames being applied: a bounded number at a time, in any order within their phase."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        reader: BackupReader,
        output: _Output,
        in_flight: int,
        check: Callable[[], None],
    ) -> None:
        self._pool, self._reader, self._output = pool, reader, output
        self._in_flight, self._check = in_flight, check
        self._running: deque[Future[None]] = deque()

    def apply_all(self, places: Iterable[tuple[int, FramePlace]]) -> None:
        """Apply the frames in their order; at the end of a phase, wait for all of it."""
        later = deque(self._reader.manifest.contents.phases[1:])
        fresh = True
        for pack, place in places:
            while later and place.number >= later[0]:
                later.popleft()
                fresh = False
                self._wait(0)
            self._wait(self._in_flight - 1)
            self._running.append(self._pool.submit(self._apply, pack, place, fresh))
        self._wait(0)

    def _apply(self, pack: int, place: FramePlace, fresh: bool) -> None:
        self._output.write(self._reader.read_frame(pack, place), fresh=fresh)

    def _wait(self, left: int) -> None:
        self._check()
        while len(self._running) > left:
            self._running.popleft().result()
            self._check()


class _Output:
    """The files being written."""

    def __init__(self, target: Path, files: dict[int, StoredFile], meter: Meter) -> None:
        self._target, self._files, self._meter = target, files, meter
        self._paths = {number: target / file.path for number, file in files.items()}
        self._lock = threading.Lock()
        self._written: Counter[int] = Counter()

    def create_files(self) -> None:
        """Create every file at its full length: bytes that are never written stay holes."""
        for path in self._paths.values():
            for folder in reversed(path.relative_to(self._target).parents):
                # Only the server's own user may enter a data directory.
                (self._target / folder).mkdir(mode=0o700, exist_ok=True)
        for number, path in self._paths.items():
            secret = path.parent == self._target / KEYRING_FOLDER
            mode = 0o600 if secret else 0o640
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
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
        descriptor = os.open(self._paths[file], os.O_WRONLY | os.O_NOFOLLOW)
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
    """Write all of ``piece``: one pwrite may write less."""
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
