"""The files that an extraction writes.

Each exists from the beginning at its full length, so that what is never written is a hole.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from backups.archive.contents import StoredFile
from backups.archive.meter import Meter
from backups.exceptions import ArchiveError

# The grain of holes: the block size of the filesystems databases live on.
HOLE_BYTES = 4096
ZEROS = bytes(HOLE_BYTES)
# Places in a block that are rarely zero all of them unless the whole block is.
SAMPLED = (0, 1501, 2803)
# It holds the key to the other files: only the server's user may read it.
KEYRING_FOLDER = "mooring-keyring"


class FilePiece(NamedTuple):
    """Bytes for a place of a file, by its number."""

    file: int
    offset: int
    content: memoryview
    # How many of them the manifest counts as the file's.
    counted: int = 0


class OutputFiles:
    """Files being written, from many threads."""

    def __init__(self, target: Path, files: Mapping[int, StoredFile], meter: Meter) -> None:
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

    def write(self, piece: FilePiece, *, fresh: bool) -> None:
        """Put bytes in their place. ``fresh``: nothing was written there, so zeros stay holes."""
        length = len(piece.content)
        content = piece.content
        runs = content_runs(content, piece.offset) if fresh else [(0, length)]
        descriptor = os.open(self._paths[piece.file], os.O_WRONLY | os.O_NOFOLLOW)
        try:
            for start, end in runs:
                write_whole(descriptor, content[start:end], piece.offset + start)
        finally:
            os.close(descriptor)
        self._account(self._files[piece.file], length, piece.counted)

    def read(self, file: int, offset: int, length: int) -> bytes:
        """Return bytes as they were written; fewer at the end of the file."""
        descriptor = os.open(self._paths[file], os.O_RDONLY | os.O_NOFOLLOW)
        try:
            return os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)

    def check_complete(self) -> None:
        """Raise ArchiveError unless each file got as many bytes as the manifest says."""
        for number, file in self._files.items():
            if self._written[number] != file.written_bytes:
                raise ArchiveError(
                    f"{file.path} got {self._written[number]} bytes, "
                    f"the manifest says {file.written_bytes}"
                )
        self._meter.files_done = len(self._files)

    def _account(self, file: StoredFile, length: int, counted: int) -> None:
        with self._lock:
            self._meter.raw_bytes += length
            self._meter.current_file = file.path
            if counted:
                self._written[file.number] += counted
                if self._written[file.number] == file.written_bytes:
                    self._meter.files_done += 1


def write_whole(descriptor: int, piece: memoryview, offset: int) -> None:
    """Write all of ``piece``: one pwrite may write less."""
    while piece:
        count = os.pwrite(descriptor, piece, offset)
        piece, offset = piece[count:], offset + count


def content_runs(content: memoryview, offset: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches of ``content`` between its blocks of zeros.

    ``offset`` is where it goes in the file: blocks are those of the file.
    """
    start = 0
    for zeros in _zero_blocks(content, -offset % HOLE_BYTES):
        if start < zeros:
            yield start, zeros
        start = zeros + HOLE_BYTES
    if start < len(content):
        yield start, len(content)


def _zero_blocks(content: memoryview, first: int) -> Iterator[int]:
    """Yield where whole blocks of zeros are; the first block begins at ``first``."""
    count = max(0, len(content) - first) // HOLE_BYTES
    end = first + count * HOLE_BYTES
    # A byte for each block: only those that have zeros at all these places are looked at.
    seen = 0
    for place in SAMPLED:
        seen |= int.from_bytes(content[first + place : end : HOLE_BYTES].tobytes(), "big")
    samples = seen.to_bytes(count, "big")
    number = samples.find(0)
    while number >= 0:
        at = first + number * HOLE_BYTES
        if content[at : at + HOLE_BYTES].tobytes() == ZEROS:
            yield at
        number = samples.find(0, number + 1)
