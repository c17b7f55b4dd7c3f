"""Which records does an mbstream contain?

Chunks name files by path; records number them. This module adds the rules between chunks: bytes
follow each other without a gap unless the tool seeks, a file that was started must end, and a name
occurs twice only if the tool marks the first file as replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import RawIOBase
from typing import BinaryIO

from backups.archive.records import (
    Data,
    FileClosed,
    FileOpened,
    FileRemoved,
    FileRenamed,
    PhaseStarted,
    Record,
)
from backups.engines.mariadb_backup.chunks import (
    Chunk,
    ChunkReader,
    End,
    Piece,
    Remove,
    Rename,
    Seek,
    StreamCut,
)
from backups.exceptions import EngineError

# The tool's notation for all partitions of a table that was dropped during the copy.
ALL_PARTITIONS = "#P#*"


class _OpenFile:
    """A started file: the offset of its next bytes, and its end so far."""

    __slots__ = ("end", "next_offset", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.next_offset = 0
        self.end = 0


def read_records(source: BinaryIO | RawIOBase) -> Iterator[Record]:
    """Yield the records of a stream; EngineError unless it is complete to its last byte."""
    reader, files = ChunkReader(source), _Files()
    for chunk in reader.chunks():
        yield from files.take(chunk)
    if files.open:
        names = sorted(files.open)
        raise StreamCut(
            f"the engine's stream ends inside {names[0]} ({len(names)} unfinished files)"
        )
    if not reader.position:
        raise StreamCut("the engine's stream is empty")


class _Files:
    """All files of a stream, by path."""

    def __init__(self) -> None:
        self.open: dict[str, _OpenFile] = {}
        self.complete: dict[str, int] = {}
        self._count = 0

    def take(self, chunk: Chunk) -> Iterator[Record]:
        match chunk:
            case Piece():
                yield from self._add(chunk)
            case End():
                yield from self._close(chunk)
            case Seek():
                yield from self._seek(chunk)
            case Rename():
                yield from self._rename(chunk)
            case Remove():
                yield from self._remove(chunk)

    def _add(self, piece: Piece) -> Iterator[Record]:
        if piece.path not in self.open:
            yield from self._begin(piece.path, rewrites=piece.rewrites)
        file = self.open[piece.path]
        if piece.offset != file.next_offset:
            raise EngineError(
                f"the engine sent byte {piece.offset} of {piece.path} "
                f"where byte {file.next_offset} was due"
            )
        if piece.payload:
            if piece.offset < file.end:
                # It overwrites earlier bytes: the end of an Aria log.
                yield PhaseStarted()
            yield Data(file.number, piece.offset, piece.payload)
        file.next_offset += len(piece.payload)
        file.end = max(file.end, file.next_offset)

    def _begin(self, path: str, *, rewrites: bool = False) -> Iterator[Record]:
        if path in self.complete:
            if not rewrites:
                raise EngineError(f"the engine sent {path} twice")
            yield FileRemoved(self.complete.pop(path))
        self._count += 1
        self.open[path] = _OpenFile(self._count)
        yield FileOpened(self._count, path)

    def _close(self, end: End) -> Iterator[Record]:
        if end.path not in self.open:
            # An empty file has only an end.
            yield from self._begin(end.path)
        file = self.open.pop(end.path)
        self.complete[end.path] = file.number
        yield FileClosed(file.number, file.end)

    def _seek(self, seek: Seek) -> Iterator[Record]:
        if seek.path not in self.open:
            yield from self._begin(seek.path)
        self.open[seek.path].next_offset = seek.offset

    def _rename(self, rename: Rename) -> Iterator[Record]:
        """Rename a file; one that was never copied is dropped and copied again by the tool."""
        self._refuse_open(rename.path, rename.new_path)
        if rename.path not in self.complete or rename.path == rename.new_path:
            return
        if rename.new_path in self.complete:
            yield FileRemoved(self.complete.pop(rename.new_path))
        number = self.complete[rename.new_path] = self.complete.pop(rename.path)
        yield FileRenamed(number, rename.new_path)

    def _remove(self, remove: Remove) -> Iterator[Record]:
        """Remove the files that exist: the tool also removes files it never copied."""
        gone = [path for path in self.complete if _is_meant(path, remove.path)]
        self._refuse_open(*(path for path in self.open if _is_meant(path, remove.path)))
        for path in gone:
            yield FileRemoved(self.complete.pop(path))

    def _refuse_open(self, *paths: str) -> None:
        for path in paths:
            if path in self.open:
                raise EngineError(f"the engine renamed or removed {path} while sending it")


def _is_meant(path: str, name: str) -> bool:
    if name.endswith(ALL_PARTITIONS):
        return path.startswith(name[:-1])
    return path == name or path.startswith(f"{name}/")
