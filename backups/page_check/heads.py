"""What is the format of each tablespace of a backup? Queried while frames arrive in any order.

Usually the current frame has page 0. If it has not, or if page 0 was overridden by a later phase,
the few frames that hold a file's first bytes are read separately, also those of other backups that
an incremental or differential one needs.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from backups.archive.contents import StoredFile
from backups.archive.packs import FramePlace
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError, RepositoryError
from backups.innodb.formats import PageFormat
from backups.innodb.recognise import HEAD_BYTES, Tablespace, parse_first_page, recognise
from backups.page_check.files import system_files
from backups.page_check.other_heads import OtherHeads

# The frame with page 0 is usually processed in another thread at the same time as the next ones.
NEAR_FRAMES = 64
PATIENCE_SECONDS = 2.0


class _Source(NamedTuple):
    """A frame with some of a file's first bytes."""

    phase: int
    pack: int
    frame: int
    offset: int
    stored_bytes: int


class Heads:
    """Tablespaces by the number of their file. Thread-safe."""

    def __init__(
        self,
        reader: BackupReader,
        files: Sequence[StoredFile],
        needed: Sequence[BackupReader] = (),
    ) -> None:
        """``needed`` are the other backups of its chain, the full one first."""
        self._reader = reader
        self._others = OtherHeads((*needed, reader), HEAD_BYTES)
        self._system = system_files(files)
        self._sources: dict[int, list[_Source]] = {}
        self._known: dict[int, Tablespace] = {}
        self._learned = threading.Condition()

    def add(self, file: int, phase: int, pack: int, place: FramePlace) -> None:
        """Record that a frame has first bytes of a file."""
        source = _Source(phase, pack, place.number, place.offset, place.stored_bytes)
        self._sources.setdefault(file, []).append(source)

    def tablespace(self, file: StoredFile, frame: int, head: bytes) -> Tablespace:
        """Return the tablespace of a file; ``head`` are its first bytes if ``frame`` has them."""
        known = self._known.get(file.number)
        if known is None and not head:
            known = self._await(file, frame)
        if known is None:
            known = self._find(file, head)
            with self._learned:
                self._known[file.number] = known
                self._learned.notify_all()
        return known

    def _await(self, file: StoredFile, frame: int) -> Tablespace | None:
        sources = self._sources.get(file.number, ())
        if any(frame - NEAR_FRAMES < source.frame < frame for source in sources):
            with self._learned:
                self._learned.wait_for(lambda: file.number in self._known, PATIENCE_SECONDS)
        return self._known.get(file.number)

    def _find(self, file: StoredFile, head: bytes) -> Tablespace:
        if file in self._system[1:]:
            return self._continuation(file)
        # Of any phase: a page size never changes.
        return parse_first_page(head) or recognise(self._read(file), self._default(file))

    def _continuation(self, file: StoredFile) -> Tablespace:
        """Return the tablespace of a further system file: only the first has the flags."""
        first = self.tablespace(self._system[0], -1, b"")
        if first.form is None:
            return first
        before = self._system[: self._system.index(file)]
        pages = sum(earlier.size // first.form.bytes for earlier in before)
        return Tablespace(first.form, first.space_id, pages)

    def _default(self, file: StoredFile) -> PageFormat | None:
        """Return the default format of the instance."""
        if not self._system or file == self._system[0]:
            return None
        return self.tablespace(self._system[0], -1, b"").form

    def _read(self, file: StoredFile) -> bytes:
        """Read a file's final first bytes; holes and lost parts are zeros."""
        head = bytearray(min(HEAD_BYTES, file.size))
        # Reported by the reader of all frames, as below.
        with suppress(ArchiveError, RepositoryError):
            self._others.fill(file.number, head)
        for source in sorted(self._sources.get(file.number, ())):
            try:
                self._apply(source, file.number, head)
            except (ArchiveError, RepositoryError):
                # Reported by the reader of all frames; later pages may be sufficient.
                continue
        return bytes(head)

    def _apply(self, source: _Source, file: int, head: bytearray) -> None:
        name = self._reader.pack_object(source.pack)
        stored = self._reader.store.read(name, source.offset, source.stored_bytes)
        frame = self._reader.resolve(self._reader.open_frame_alone(stored))
        start = 0
        for extent in frame.extents:
            room = len(head) - extent.offset
            if extent.file == file and room > 0:
                length = min(extent.length, room)
                head[extent.offset : extent.offset + length] = frame.content[start : start + length]
            start += extent.length
