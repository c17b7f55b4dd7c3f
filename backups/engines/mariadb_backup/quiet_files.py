"""What do the files of a data folder show, and how are those of a quiet table copied?

Nothing here is the tool: files are opened without following links, read once from end to end, and
every page is checked by its own checksum. A file that changed while it was read, or of which a page
is not whole, is left to the tool.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from backups.archive.contained import open_contained
from backups.archive.records import Data, FileClosed, FileOpened, FileRemoved, Record
from backups.engines.mariadb_backup.chunks import PIECE_BYTES, BlockMemory
from backups.engines.mariadb_backup.quiet import DEFINITION, ROWS, FileMark, Looks, TableLook
from backups.innodb.mariadb_encryption import read_tablespace_key
from backups.innodb.recognise import HEAD_BYTES, Tablespace, judge_in_place, parse_first_page
from backups.innodb.verdict import PageVerdict

_SPACE_ID_AT, _SPACE_ID_BYTES = 34, 4
# FS_IOC_GETVERSION of Linux: ext4, XFS and Btrfs have one for each inode.
_GET_GENERATION, _GENERATION_BYTES = 0x80087601, 8


class NotQuiet(Exception):
    """A table is left to the tool; the text says why."""


def list_schemas(folder: Path) -> list[str]:
    """Return the names of the schemas' folders; OSError if the data folder cannot be read.

    One that is a mount of its own is left out: it may be on a network file system, whose times of
    files may be outdated.
    """
    device = folder.stat().st_dev
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name[0] not in "#."
            and entry.is_dir(follow_symlinks=False)
            and entry.stat(follow_symlinks=False).st_dev == device
        )


def look_at(folder: Path, schemas: Iterable[str]) -> Looks:
    """Look at every name in the folders of some schemas; one that cannot be read has none."""
    looks: dict[str, TableLook] = {}
    for schema in schemas:
        with suppress(OSError):
            looks |= _look_at_schema(folder / schema, schema)
    return looks


def with_identities(folder: Path, looks: Looks, names: Iterable[str]) -> Looks:
    """Return the looks at these tables, with the ids of their tablespaces as they are now."""
    found = {}
    for name in names:
        if (look := looks.get(name)) is not None:
            space_id, generation = _read_identity(folder, path_of(name, ROWS))
            found[name] = replace(look, space_id=space_id, generation=generation)
    return found


def path_of(name: str, suffix: str) -> str:
    """Return the path of a table's file below the data folder."""
    return f"{name.replace('.', '/')}{suffix}"


def schema_of(name: str) -> str:
    return name.partition(".")[0]


def _look_at_schema(folder: Path, schema: str) -> dict[str, TableLook]:
    found: dict[str, dict[str, FileMark]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, dot, suffix = entry.name.partition(".")
            status = _status_of(entry)
            # A link, a folder or what has gone by now counts as well: such a table is not simple.
            suffix = f"{dot}{suffix}" if status is not None else f"{dot}{suffix} (no file)"
            mark = FileMark(0, 0, 0, 0, 0) if status is None else FileMark.of(status)
            found.setdefault(stem, {})[suffix] = mark
    return {f"{schema}.{stem}": TableLook(files) for stem, files in found.items()}


def _status_of(entry: os.DirEntry[str]) -> os.stat_result | None:
    with suppress(OSError):
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            return status
    return None


def _read_identity(folder: Path, path: str) -> tuple[int | None, int | None]:
    """Return the ids of a tablespace and of its file's inode, None for what cannot be read."""
    with suppress(OSError):
        descriptor = open_contained(folder, path)
        try:
            content = os.pread(descriptor, _SPACE_ID_BYTES, _SPACE_ID_AT)
            generation = _read_generation(descriptor)
        finally:
            os.close(descriptor)
        whole = len(content) == _SPACE_ID_BYTES
        return (int.from_bytes(content, "big") if whole else None), generation
    return None, None


def _read_generation(descriptor: int) -> int | None:
    with suppress(OSError):
        content = fcntl.ioctl(descriptor, _GET_GENERATION, bytes(_GENERATION_BYTES))
        return int.from_bytes(content, sys.byteorder)
    return None


class QuietReader:
    """Reads the files of quiet tables as records, numbered from one on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # How many numbers were given.
        self.numbers = 0
        self._memory = BlockMemory()
        # The files of each table that was copied.
        self.files: dict[str, tuple[int, int]] = {}

    def copy(self, name: str, look: TableLook) -> Generator[Record, None, TableLook]:
        """Yield a table and return what was copied, or remove it again and raise NotQuiet."""
        opened: list[int] = []
        try:
            space_id, generation = yield from self._file(name, ROWS, look, opened)
            yield from self._file(name, DEFINITION, look, opened)
        except (NotQuiet, OSError) as exc:
            for number in opened:
                yield FileRemoved(number)
            reason = exc.strerror if isinstance(exc, OSError) else str(exc)
            raise NotQuiet(reason) from None
        self.files[name] = (opened[0], opened[1])
        return replace(look, space_id=space_id, generation=generation)

    def _file(
        self, name: str, suffix: str, look: TableLook, opened: list[int]
    ) -> Generator[Record, None, tuple[int | None, int | None]]:
        """Yield a file; return its ids, as a tablespace if it is one and as a file."""
        mark, path = look.files[suffix], path_of(name, suffix)
        descriptor = open_contained(self._folder, path)
        try:
            space = _recognise(descriptor) if suffix == ROWS else None
            self.numbers += 1
            number = self.numbers
            yield FileOpened(number, path)
            opened.append(number)
            for offset, piece in self._pieces(descriptor, mark.size):
                if space is not None:
                    _check_pages(piece, offset, space)
                yield Data(number, offset, piece)
            if FileMark.of(os.fstat(descriptor)) != mark:
                raise NotQuiet("it was changed while it was copied")
            yield FileClosed(number, mark.size)
            return None if space is None else space.space_id, _read_generation(descriptor)
        finally:
            os.close(descriptor)

    def _pieces(self, descriptor: int, size: int) -> Iterator[tuple[int, memoryview]]:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        for offset in range(0, size, PIECE_BYTES):
            wanted = min(PIECE_BYTES, size - offset)
            piece = memoryview(self._memory.take(wanted))
            if os.preadv(descriptor, [piece], offset) != wanted:
                raise NotQuiet("it became shorter while it was copied")
            # As the tool does: the page cache is for what is read again.
            os.posix_fadvise(descriptor, offset, wanted, os.POSIX_FADV_DONTNEED)
            yield offset, piece


def _recognise(descriptor: int) -> Tablespace:
    head = os.pread(descriptor, HEAD_BYTES, 0)
    space = parse_first_page(head)
    if space is None or space.form is None or space.space_id is None:
        raise NotQuiet("its first page is not whole")
    if read_tablespace_key(head) is not None:
        raise NotQuiet("it is encrypted")
    return space


def _check_pages(piece: memoryview, offset: int, space: Tablespace) -> None:
    assert space.form is not None
    size = space.form.bytes
    if len(piece) % size:
        raise NotQuiet("its size is not one of whole pages")
    for start in range(0, len(piece), size):
        number = (offset + start) // size
        page = bytes(piece[start : start + size])
        judged = judge_in_place(page, space, space.form, number)
        if judged.verdict is PageVerdict.DAMAGED:
            raise NotQuiet(f"page {number}: {judged.why}")
