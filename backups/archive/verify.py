"""Do the stored bytes of a backup match what was written? If not: which pack, where, which files?

Every pack is read once from end to end, of sequential media as a stream: its SHA-256 is compared,
its index opened, every frame unsealed and decompressed, and the extents of every file added up.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from backups.archive.blocks.table import TABLE_FILE
from backups.archive.frames import HEADER as FRAME_HEADER
from backups.archive.frames import Extent, Frame, parse_header
from backups.archive.memory import keep_freed_memory
from backups.archive.meter import Meter
from backups.archive.packs import HEADER, FramePlace, PackIndex
from backups.archive.reader import BackupReader
from backups.archive.streamed import PackStream
from backups.exceptions import ArchiveError, RepositoryError
from backups.repositories.sequential.store import SequentialStore, sequential

FRAMES_IN_FLIGHT_PER_THREAD = 3
READ_BYTES = 4 * 1024 * 1024
# A damaged disk can damage everything; this keeps the report readable.
MAX_DAMAGES = 1000


@dataclass(frozen=True, slots=True)
class Damage:
    """One difference from what was written."""

    object: str
    # Byte offset in the object; None for the whole object.
    offset: int | None
    files: tuple[str, ...]
    problem: str

    def __str__(self) -> str:
        where = self.object if self.offset is None else f"{self.object} at byte {self.offset}"
        files = f" (holds {', '.join(self.files[:3])})" if self.files else ""
        return f"{where}: {self.problem}{files}"


@dataclass(slots=True)
class VerifyReport:
    """What a verify has read, and the damage found."""

    packs: int = 0
    frames: int = 0
    files: int = 0
    damages: list[Damage] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.damages


def verify(
    reader: BackupReader,
    *,
    threads: int,
    check: Callable[[], None],
    meter: Meter,
    inspect: Callable[[Frame], None] = lambda frame: None,
    refuse: Callable[[RepositoryError], None] = lambda error: None,
) -> VerifyReport:
    """Read a whole backup. Damage is reported, not raised; errors of ``check`` are passed on.

    ``inspect`` gets every frame that could be opened, in any order, from many threads. ``refuse``
    raises where what could not be read is a fault of the repository, and no damage.
    """
    keep_freed_memory()
    contents = reader.manifest.contents
    if meter.raw_bytes_total is None:
        meter.raw_bytes_total = contents.raw_bytes
        meter.files_total = len(contents.files)
    run = _Verification(reader, check, meter, threads, inspect, refuse)
    with ThreadPoolExecutor(threads, thread_name_prefix="verify") as pool:
        for pack in contents.packs:
            run.verify_pack(pool, pack.number)
    run.compare_files()
    return run.report


class _Verification:
    def __init__(
        self,
        reader: BackupReader,
        check: Callable[[], None],
        meter: Meter,
        threads: int,
        inspect: Callable[[Frame], None],
        refuse: Callable[[RepositoryError], None],
    ) -> None:
        self.report = VerifyReport()
        self._inspect, self._refuse = inspect, refuse
        self._reader, self._check, self._meter = reader, check, meter
        self._in_flight = threads * FRAMES_IN_FLIGHT_PER_THREAD
        self._files = {file.number: file for file in reader.manifest.contents.files}
        self._found: Counter[int] = Counter()

    def verify_pack(self, pool: ThreadPoolExecutor, number: int) -> None:
        listed = self._reader.manifest.contents.packs[number - 1]
        name = self._reader.pack_object(number)
        self._meter.current_file = name
        digest = hashlib.sha256()
        try:
            if (store := sequential(self._reader.store)) is not None:
                self._stream_frames(pool, number, store)
                return
            places = self._places(number, name, listed.stored_bytes)
            self._open_frames(pool, number, places, digest.update)
        except RepositoryError as exc:
            self._refuse(exc)
            self._damage(Damage(name, None, (), str(exc)))
        else:
            if digest.hexdigest() != listed.sha256:
                self._damage(Damage(name, None, (), "its SHA-256 is not the manifest's"))
        finally:
            self.report.packs += 1

    def compare_files(self) -> None:
        """Check, after the last pack, that every byte of every file was seen."""
        for file in self._reader.manifest.contents.files:
            found = self._found[file.number]
            if found == file.written_bytes:
                self.report.files += 1
                self._meter.files_done += 1
            else:
                problem = f"only {found} of {file.written_bytes} bytes are intact"
                self._damage(Damage(file.path, None, (), problem))

    def _places(self, number: int, name: str, stored_bytes: int) -> PackIndex:
        """Return the index, or if it is damaged one rebuilt from the frame headers."""
        try:
            return self._reader.read_index(number)
        except ArchiveError as exc:
            self._damage(Damage(name, None, (), str(exc).removeprefix(f"{name}: ")))
        return PackIndex(number, list(self._walk(name, stored_bytes)))

    def _walk(self, name: str, stored_bytes: int) -> Iterator[FramePlace]:
        offset = HEADER.size
        size = min(stored_bytes, self._reader.store.size(name))
        while offset + FRAME_HEADER.size <= size:
            blob = self._reader.store.read(name, offset, FRAME_HEADER.size)
            try:
                header = parse_header(blob)
            except ArchiveError:
                return
            length = FRAME_HEADER.size + header.sealed_bytes
            if offset + length > size:
                return
            yield FramePlace(header.number, offset, length, header.raw_bytes, [])
            offset += length

    def _open_frames(
        self,
        pool: ThreadPoolExecutor,
        number: int,
        index: PackIndex,
        hash_bytes: Callable[[bytes], None],
    ) -> None:
        """Read the pack from start to end: frames go to the pool, every byte to the hash."""
        name = self._reader.pack_object(number)
        running: deque[tuple[FramePlace, Future[Frame]]] = deque()
        position = 0
        for place in index.frames:
            self._check()
            self._hash_range(name, position, place.offset, hash_bytes)
            stored = self._reader.store.read(name, place.offset, place.stored_bytes)
            if len(running) >= self._in_flight:
                self._account(name, number, *running.popleft())
            running.append((place, pool.submit(self._open, stored, place)))
            hash_bytes(stored)
            position = place.offset + place.stored_bytes
        self._hash_range(name, position, self._reader.store.size(name), hash_bytes)
        while running:
            self._account(name, number, *running.popleft())

    def _stream_frames(self, pool: ThreadPoolExecutor, number: int, store: SequentialStore) -> None:
        """Read a pack of sequential media once, in order; its index comes last and is compared."""
        name = self._reader.pack_object(number)
        running: deque[tuple[FramePlace, Future[Frame]]] = deque()
        seen: dict[int, Sequence[Extent]] = {}
        with store.stream(name) as stream:
            pack = PackStream(self._reader, number, stream)

            def opened(frame: int, stored: bytes) -> Frame:
                found = pack.open(frame, stored)
                seen[frame] = found.extents
                self._inspect(found)
                return found

            try:
                for frame, stored in pack.frames():
                    self._check()
                    if len(running) >= self._in_flight:
                        self._account(name, number, *running.popleft())
                    place = FramePlace(frame, pack.places[-1][1], len(stored), 0, ())
                    running.append((place, pool.submit(opened, frame, stored)))
                index = pack.finish()
            except ArchiveError as exc:
                index = PackIndex(number)
                self._damage(Damage(name, None, (), str(exc).removeprefix(f"{name}: ")))
            finally:
                while running:
                    self._account(name, number, *running.popleft())
        for place in index.frames:
            if place.number in seen and seen[place.number] != place.extents:
                problem = f"frame {place.number} is not the one its pack's index lists"
                self._damage(Damage(name, place.offset, (), problem))

    def _open(self, stored: bytes, place: FramePlace) -> Frame:
        if place.extents:
            frame = self._reader.open_frame(stored, place)
        else:
            # The index is damaged, and reported: the frame is checked by itself.
            frame = self._reader.open_frame_alone(stored)
        self._inspect(frame)
        return frame

    def _hash_range(
        self, name: str, start: int, end: int, hash_bytes: Callable[[bytes], None]
    ) -> None:
        while start < end:
            self._check()
            chunk = self._reader.store.read(name, start, min(READ_BYTES, end - start))
            hash_bytes(chunk)
            start += len(chunk)

    def _account(self, name: str, pack: int, place: FramePlace, opened: Future[Frame]) -> None:
        try:
            frame = opened.result()
        except ArchiveError as exc:
            paths = self._paths({extent.file for extent in place.extents})
            self._damage(Damage(name, place.offset, paths, str(exc)))
            return
        self.report.frames += 1
        self._meter.raw_bytes += sum(
            extent.length for extent in frame.extents if extent.file != TABLE_FILE
        )
        if astray := {extent.file for extent in frame.extents if self._is_astray(pack, extent)}:
            problem = f"frame {frame.number} is not where the manifest says"
            self._damage(Damage(name, place.offset, self._paths(astray), problem))
        for extent in frame.extents:
            self._found[extent.file] += extent.length

    def _is_astray(self, pack: int, extent: Extent) -> bool:
        """Whether a restore of the file would miss the extent, or find it out of range."""
        file = self._files.get(extent.file)
        return file is not None and not (
            file.first_pack <= pack <= file.last_pack and extent.offset + extent.length <= file.size
        )

    def _paths(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """Return the paths; a file not in the manifest was deleted during the copy."""
        return tuple(sorted(self._files[n].path for n in numbers if n in self._files))

    def _damage(self, damage: Damage) -> None:
        if len(self.report.damages) < MAX_DAMAGES:
            self.report.damages.append(damage)
