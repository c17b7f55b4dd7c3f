"""Builds mbstreams, byte by byte, as the tool would."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable

from backups.archive.records import (
    Data,
    FileClosed,
    FileOpened,
    FileRemoved,
    FileRenamed,
    Record,
)
from backups.engines.mariadb_backup.mbstream import read_records


def header(kind: bytes, path: str, flags: int = 0) -> bytes:
    name = path.encode()
    return b"XBSTCK01" + struct.pack("<BcI", flags, kind, len(name)) + name


def piece(path: str, content: bytes, offset: int = 0, flags: int = 0, kind: bytes = b"P") -> bytes:
    figures = struct.pack("<QQI", len(content), offset, zlib.crc32(content))
    return header(kind, path, flags) + figures + content


def end(path: str) -> bytes:
    return header(b"E", path)


def whole(path: str, content: bytes, flags: int = 0) -> bytes:
    return piece(path, content, flags=flags) + end(path)


def seek(path: str, offset: int) -> bytes:
    return header(b"S", path) + struct.pack("<Q", offset)


def rename(path: str, new_path: str) -> bytes:
    return header(b"R", path) + struct.pack("<I", len(new_path.encode())) + new_path.encode()


def remove(path: str) -> bytes:
    return header(b"D", path)


def records_of(stream: bytes) -> list[Record]:
    return list(read_records(io.BytesIO(stream)))


def files_of(records: Iterable[Record]) -> dict[str, bytes]:
    """Apply records as a restore would."""
    contents: dict[int, bytearray] = {}
    paths: dict[int, str] = {}
    for record in records:
        match record:
            case FileOpened(number, path):
                assert path not in paths.values()
                paths[number], contents[number] = path, bytearray()
            case Data(number, offset, payload):
                content = contents[number]
                content.extend(bytes(max(0, offset + len(payload) - len(content))))
                content[offset : offset + len(payload)] = payload
            case FileClosed(number, size):
                assert size == len(contents[number])
            case FileRenamed(number, path):
                assert path not in paths.values()
                paths[number] = path
            case FileRemoved(number):
                del paths[number]
    return {path: bytes(contents[number]) for number, path in paths.items()}
