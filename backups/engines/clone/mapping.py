"""How are the records of a clone mapped to records of the archive?

Files stay open until the end, because DDL may rename, delete or enlarge any of them during the
copy. Files outside the server's data directory are placed below it. What a partial backup does not
keep is counted and passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

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
from backups.clone_protocol import (
    Block,
    CloneRecord,
    FileAnnounced,
    FileChanged,
    FileKey,
    State,
    StateStarted,
)
from backups.engines.clone.chosen_files import ChosenFiles
from backups.engines.clone.key_wrapping import KeyWrapping
from backups.innodb.pages import SHARED, build_first_page, page_size_of
from backups.innodb.redo import HEADER_BYTES, checkpoint_lsn
from backups.programs.compatibility import Version

# The folder for files with an absolute path. No schema's folder can have this name: a dash in the
# name of a schema is encoded as @002d.
EXTERNAL = "mooring-external"
# The initial size of an undo tablespace created during the copy; of any other, in pages.
NEW_UNDO_BYTES = 16 << 20
NEW_FILE_PAGES = 7
UNDO_SPACES = range(0xFFFFFFF0 - 127 * 400_000, 0xFFFFFFF0)
# The space id of a file that is not a tablespace: ib_buffer_pool.
NO_SPACE = 0xFFFFFFFF
# The only tablespace that may have several files. All but the last have a fixed length.
SYSTEM_SPACE = 0
_TWO_LOGS_BEFORE = (8, 0, 30)


@dataclass(slots=True)
class _MappedFile:
    number: int
    path: str
    size: int
    fsp_flags: int
    space_id: int
    # Its path at the donor, and the one before it was renamed; blank: it was not.
    sent_as: str
    announced_as: str = ""


@dataclass(slots=True)
class Figures:
    """What was received, by state, and what a restore needs to know about it."""

    data_files: int = 0
    file_bytes: int = 0
    pages_sent_again: int = 0
    page_bytes: int = 0
    redo_files: int = 0
    redo_bytes: int = 0
    # Of a partial backup: what was sent and is not in.
    dropped_files: int = 0
    dropped_bytes: int = 0
    # Names of chosen tables' files that came from, or went to, one that is not in.
    strayed: list[str] = field(default_factory=list)
    checkpoint_lsn: int | None = None
    # Path in the backup to path on the donor.
    external_files: dict[str, str] = field(default_factory=dict)


class ArchiveMapping:
    """The files of one clone, numbered for the archive."""

    def __init__(
        self, version: Version, *, sealed: bool, chosen: ChosenFiles | None = None
    ) -> None:
        """``sealed``: whether the archive is encrypted, which keys require.

        ``chosen`` has the files of a partial backup; None keeps all.
        """
        self._version = version
        self._chosen = chosen
        self._dropped: set[FileKey] = set()
        self.keys = KeyWrapping(sealed=sealed)
        self._files: dict[FileKey, _MappedFile] = {}
        # The files of the system tablespace, in their order.
        self._system: list[_MappedFile] = []
        self._next_number = 1
        self.figures = Figures()

    def take(self, record: CloneRecord) -> Iterator[Record]:
        """Yield the archive records for a record of the clone."""
        match record:
            case FileAnnounced() if self._is_dropped(record):
                self._dropped.add(record.file)
                self.figures.dropped_files += 1
            case Block() if record.file in self._dropped:
                self.figures.dropped_bytes += len(record.payload)
                yield Dropped(len(record.payload))
            case FileChanged() if record.file in self._dropped:
                # Whatever its name is now: most of its bytes are gone.
                if record.renamed_to and self._keeps(record.renamed_to, record.fsp_flags):
                    self.figures.strayed.append(record.renamed_to)
            case FileAnnounced():
                yield from self._open(record)
            case FileChanged():
                yield from self._change(record)
            case Block():
                yield from self._write(record)
            case StateStarted(State.PAGE_COPY | State.REDO_COPY):
                yield PhaseStarted()
            case StateStarted(State.DONE):
                yield from self._close_all()

    def add_file(self, path: str, content: bytes = b"") -> Iterator[Record]:
        """Yield a file that a restored server needs and the clone lacks."""
        number = self._take_number()
        yield FileOpened(number, path)
        if content:
            yield Data(number, 0, memoryview(content))
        yield FileClosed(number, len(content))

    def stream_file(self, path: str, content: Iterable[bytes]) -> Iterator[Record]:
        """Yield a file that comes piece by piece."""
        number, size = self._take_number(), 0
        yield FileOpened(number, path)
        for piece in content:
            yield Data(number, size, memoryview(piece))
            size += len(piece)
        yield FileClosed(number, size)

    def _open(self, announced: FileAnnounced) -> Iterator[Record]:
        self.keys.announce(announced)
        # A file created during the copy has its initial length; its content arrives as pages.
        size = 0 if announced.created_by_ddl else announced.size
        number = self._take_number()
        path = self._place(announced.path, number, announced.fsp_flags)
        file = _MappedFile(
            number, path, size, announced.fsp_flags, announced.space_id, announced.path
        )
        self._files[announced.file] = file
        if announced.file.is_redo:
            self.figures.redo_files += 1
        else:
            self.figures.data_files += 1
            if file.space_id == SYSTEM_SPACE:
                self._system.append(file)
        yield FileOpened(file.number, path)
        if announced.created_by_ddl:
            yield from self._begin(file, announced)

    def _begin(self, file: _MappedFile, announced: FileAnnounced) -> Iterator[Record]:
        """Start a new file as the server did, because not all of its pages will arrive."""
        version = self._version.major * 10_000 + self._version.minor * 100 + self._version.patch
        page = self.keys.first_page(announced, version)
        if page is None:
            page = build_first_page(file.space_id, file.fsp_flags, version)
        is_undo = file.space_id in UNDO_SPACES
        file.size = NEW_UNDO_BYTES if is_undo else NEW_FILE_PAGES * len(page)
        yield Data(file.number, 0, memoryview(page))

    def _change(self, change: FileChanged) -> Iterator[Record]:
        file = self._files[change.file]
        self.keys.change(change, change.renamed_to or file.path)
        if change.deleted:
            del self._files[change.file]
            self.figures.data_files -= 1
            self._forget(file.path)
            yield FileRemoved(file.number)
            return
        file.size = max(file.size, change.size)
        file.fsp_flags = change.fsp_flags or file.fsp_flags
        if change.renamed_to:
            self._forget(file.path)
            file.announced_as = file.announced_as or file.sent_as
            file.sent_as = change.renamed_to
            file.path = self._place(change.renamed_to, file.number, file.fsp_flags)
            yield FileRenamed(file.number, file.path)

    def _write(self, block: Block) -> Iterator[Record]:
        file = self._files[block.file]
        end = block.offset + len(block.payload)
        file.size = max(file.size, end)
        if not block.file.is_redo:
            self._grow(file, block.file_size)
        self._count(block)
        if block.payload:
            payload = self.keys.wrap(block, file.path, file.fsp_flags)
            yield Data(file.number, block.offset, payload)

    def _grow(self, file: _MappedFile, length: int) -> None:
        """Extend a file to the length in a block; page 0 has that of its whole tablespace."""
        if file.space_id == SYSTEM_SPACE:
            *fixed, file = self._system
            length -= sum(part.size for part in fixed)
        file.size = max(file.size, length)

    def _count(self, block: Block) -> None:
        figures, length = self.figures, len(block.payload)
        match block.state:
            case State.FILE_COPY:
                figures.file_bytes += length
            case State.PAGE_COPY:
                figures.pages_sent_again += 1
                figures.page_bytes += length
            case State.REDO_COPY:
                figures.redo_bytes += length
                if block.offset == 0 and length >= HEADER_BYTES:
                    checkpoint = checkpoint_lsn(bytes(block.payload[:HEADER_BYTES]))
                    figures.checkpoint_lsn = (
                        max(checkpoint or 0, figures.checkpoint_lsn or 0) or None
                    )

    def _close_all(self) -> Iterator[Record]:
        self.keys.check_complete()
        for key, file in self._files.items():
            if not key.is_redo and not self._keeps(file.sent_as, file.fsp_flags):
                # Renamed during the copy, to a name that was not chosen.
                self.figures.data_files -= 1
                self.figures.strayed.append(file.announced_as)
                self._forget(file.path)
                yield FileRemoved(file.number)
                continue
            as_it_is = key.is_redo or file in self._system[:-1]
            yield FileClosed(file.number, file.size if as_it_is else _rounded(file))
        redo = [file for key, file in self._files.items() if key.is_redo]
        if self._version < _TWO_LOGS_BEFORE and len(redo) == 1:
            # Such a server refuses to start with a single log file.
            number = self._take_number()
            yield FileOpened(number, redo[0].path[:-1] + "1")
            yield FileClosed(number, redo[0].size)

    def _is_dropped(self, announced: FileAnnounced) -> bool:
        redo = announced.file.is_redo
        return not redo and not self._keeps(announced.path, announced.fsp_flags)

    def _keeps(self, path: str, fsp_flags: int) -> bool:
        return self._chosen is None or self._chosen.keeps(path, fsp_flags)

    def _place(self, path: str, number: int, fsp_flags: int) -> str:
        """Return the path of a file in the backup, where a server finds it by itself."""
        if not path.startswith("/"):
            return path
        if fsp_flags & SHARED:
            # A server does not search subfolders of the data directory for general tablespaces.
            placed = f"{EXTERNAL}-{number}-{path.rpartition('/')[2]}"
        else:
            placed = EXTERNAL + path
        self.figures.external_files[placed] = path
        return placed

    def _forget(self, path: str) -> None:
        self.figures.external_files.pop(path, None)

    def _take_number(self) -> int:
        number = self._next_number
        self._next_number += 1
        return number


def _rounded(file: _MappedFile) -> int:
    """Return a data file's length as the server expects it: whole extents, if more than one."""
    extent = page_size_of(file.fsp_flags).extent_bytes
    if file.space_id == NO_SPACE or file.size <= extent:
        return file.size
    return file.size + -file.size % extent
