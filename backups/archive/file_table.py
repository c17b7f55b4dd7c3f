"""Which files did the engine send, and was each of them completed?

An engine that contradicts itself would make a backup that cannot be restored: it is refused at
once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backups.archive.contents import StoredFile
from backups.archive.records import Data, FileClosed, FileOpened, FileRemoved, FileRenamed
from backups.exceptions import ArchiveError
from backups.repositories.layout import is_safe_path


@dataclass(slots=True)
class _TrackedFile:
    path: str
    written_bytes: int = 0
    # None while the file is open.
    size: int | None = None


class FileTable:
    """The files of one backup by number. Paths may be read from other threads."""

    def __init__(self) -> None:
        self._files: dict[int, _TrackedFile] = {}
        self._removed: dict[int, _TrackedFile] = {}
        # Paths in use; the path of a removed file is free again.
        self._taken: set[str] = set()

    def open(self, record: FileOpened) -> None:
        if record.file in self._files or record.file in self._removed:
            raise ArchiveError(f"engine opened file {record.file} twice")
        self._take(record.path)
        self._files[record.file] = _TrackedFile(record.path)

    def check_open(self, piece: Data) -> None:
        self._open_file(piece)

    def add(self, piece: Data) -> None:
        """Account for bytes that are stored."""
        self._open_file(piece).written_bytes += len(piece.payload)

    def _open_file(self, piece: Data) -> _TrackedFile:
        file = self._files.get(piece.file)
        if file is None or file.size is not None:
            raise ArchiveError(f"engine sent bytes of file {piece.file}, which is not open")
        return file

    def close(self, record: FileClosed) -> None:
        file = self._files.get(record.file)
        if file is None or file.size is not None:
            raise ArchiveError(f"engine closed file {record.file}, which is not open")
        file.size = record.size

    def rename(self, record: FileRenamed) -> None:
        file = self._known(record.file, "renamed")
        if record.path != file.path:
            self._take(record.path)
            self._taken.discard(file.path)
            file.path = record.path

    def remove(self, record: FileRemoved) -> bool:
        """Forget a file; return whether it had been closed."""
        file = self._known(record.file, "removed")
        self._taken.discard(file.path)
        # Frames with its bytes may still be in flight: its path is kept to the end.
        self._removed[record.file] = file
        del self._files[record.file]
        return file.size is not None

    def path(self, number: int) -> str:
        """Return the present path of a file, or the last one of a file that was removed."""
        return (self._files.get(number) or self._removed[number]).path

    def numbers(self) -> Sequence[int]:
        """Return the files that are part of the backup until now."""
        return tuple(self._files)

    def unused_number(self) -> int:
        """Return a number that no file has or had."""
        return max((*self._files, *self._removed), default=0) + 1

    def check_finished(self) -> None:
        """Raise ArchiveError if a file was never completed."""
        if unfinished := sorted(file.path for file in self._files.values() if file.size is None):
            raise ArchiveError(
                f"engine never finished {unfinished[0]} ({len(unfinished)} files in all)"
            )

    def stored(self, pack_ranges: Mapping[int, tuple[int, int]]) -> tuple[StoredFile, ...]:
        """Return every file that is part of the backup."""
        return tuple(
            StoredFile(
                number,
                file.path,
                file.size or 0,
                file.written_bytes,
                *pack_ranges.get(number, (0, 0)),
            )
            for number, file in self._files.items()
        )

    def _known(self, number: int, what: str) -> _TrackedFile:
        if (file := self._files.get(number)) is None:
            raise ArchiveError(f"engine {what} file {number}, which it never opened or removed")
        return file

    def _take(self, path: str) -> None:
        if path in self._taken or not is_safe_path(path):
            raise ArchiveError(
                f"engine sent the path {path!r} twice, or it leads out of the backup"
            )
        self._taken.add(path)
