"""A data folder made of a clone's records, as simply as can be: for tests only."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path

from backups.clone_protocol import (
    Block,
    CloneRecord,
    FileAnnounced,
    FileChanged,
    FileKey,
    State,
    StateStarted,
)

PAGE = 16384
EXTENT = 1 << 20
_CRC = [0] * 256
for _byte in range(256):
    _value = _byte
    for _ in range(8):
        _value = (_value >> 1) ^ (0x82F63B78 if _value & 1 else 0)
    _CRC[_byte] = _value


class CloneFolder:
    """Takes records one after the other and writes what they say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: dict[FileKey, Path] = {}
        self.sizes: dict[FileKey, int] = {}
        self.blocks: dict[State, int] = {}
        self.changes: list[FileChanged | FileAnnounced] = []
        folder.mkdir(mode=0o750)
        # A server does not start without the one, and puts right what is missing by the others.
        (folder / "mysql").mkdir()
        (folder / "#clone").mkdir()
        for name in ("#status_fix", "#replace_files"):
            (folder / "#clone" / name).touch()

    def take(self, record: CloneRecord) -> None:
        match record:
            case FileAnnounced():
                self._create(record)
            case FileChanged():
                self._change(record)
            case Block():
                self._write(record)
            case StateStarted(State.DONE):
                self._extend()

    def data_files(self) -> Iterable[Path]:
        return [path for key, path in self.paths.items() if not key.is_redo]

    def _create(self, file: FileAnnounced) -> None:
        path = self.folder / file.path
        assert not path.exists(), path
        path.parent.mkdir(exist_ok=True, parents=True)
        with path.open("xb") as new:
            if file.created_by_ddl:
                self.changes.append(file)
                page = empty_page(file)
                new.write(page)
                new.truncate(7 * len(page))
            elif file.file.is_redo:
                new.truncate(file.size)
        self.paths[file.file], self.sizes[file.file] = path, path.stat().st_size

    def _change(self, change: FileChanged) -> None:
        self.changes.append(change)
        if change.file.is_redo:
            return
        if change.deleted:
            self.paths.pop(change.file).unlink()
        elif change.renamed_to:
            path = self.folder / change.renamed_to
            assert not path.exists(), path
            path.parent.mkdir(exist_ok=True)
            self.paths[change.file] = self.paths[change.file].rename(path)

    def _write(self, block: Block) -> None:
        self.blocks[block.state] = self.blocks.get(block.state, 0) + 1
        if block.file not in self.paths:
            return
        with self.paths[block.file].open("r+b") as file:
            os.pwrite(file.fileno(), block.payload, block.offset)
        if not block.file.is_redo:
            self.sizes[block.file] = max(self.sizes[block.file], block.file_size)

    def _extend(self) -> None:
        for key, path in self.paths.items():
            size = max(self.sizes[key], path.stat().st_size)
            if path.name != "ib_buffer_pool" and size > EXTENT:
                size += -size % EXTENT
            if size > path.stat().st_size:
                os.truncate(path, size)


def empty_page(file: FileAnnounced) -> bytes:
    """Return the first page of a tablespace in which nothing has been written yet."""
    shift = file.fsp_flags >> 1 & 15
    page = bytearray(512 << shift if shift else PAGE)
    page[34:42] = struct.pack(">II", file.space_id, file.space_id)
    page[54:58] = struct.pack(">I", file.fsp_flags)
    page[8:16] = struct.pack(">II", 90704, 1)
    if shift:
        checksum = crc32c(page[4:16]) ^ crc32c(page[24:26]) ^ crc32c(page[34:])
    else:
        checksum = crc32c(page[4:26]) ^ crc32c(page[38:-8])
        page[-8:-4] = struct.pack(">I", checksum)
    page[:4] = struct.pack(">I", checksum)
    return bytes(page)


def crc32c(content: bytes | bytearray) -> int:
    value = 0xFFFFFFFF
    for byte in content:
        value = value >> 8 ^ _CRC[(value ^ byte) & 255]
    return value ^ 0xFFFFFFFF
