#!/usr/bin/env python3
"""How does a piece from a tape become the object it was, when nothing else is left?

    FETCH-COMMAND PIECE | unwrap_piece.py FOLDER

One file, written from docs/format.md alone; it needs Python 3.11 and no library. It reads one piece
from its standard input and writes the object below FOLDER, where the repository had it: once the
manifest and all packs of a backup are there, extract_backup.py reads that folder. Exit code 0:
every byte is right and synced; 1: the piece is damaged or a disk failed; 2: not allowed.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any, BinaryIO

HEADER = struct.Struct("<4sBBHIIQ")  # magic, kind, 0, 0, payload length, CRC-32, block number
LABEL, CONTENT, END = 1, 2, 3
LEAST_BLOCK, MOST_BLOCK = 4096, 8 * 1024 * 1024


class DamagedError(Exception):
    """The piece is not what its writer wrote."""


def main(words: list[str]) -> int:
    if len(words) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(unwrap(sys.stdin.buffer, Path(words[0])))
    except (DamagedError, OSError) as exc:
        print(f"not unwrapped: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, FileExistsError) else 1
    return 0


def unwrap(source: BinaryIO, folder: Path) -> Path:
    """Write the object of a piece below a folder; return its path."""
    label, block_bytes = read_label(source)
    path = folder / safe_name(label)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.part")
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    digest, size, number = hashlib.sha256(), 0, 1
    with half.open("wb") as file:
        while True:
            kind, payload = open_block(source.read(block_bytes), block_bytes, number)
            if kind == END:
                break
            if kind != CONTENT:
                raise DamagedError(f"block {number} does not belong there")
            file.write(payload)
            digest.update(payload)
            size += len(payload)
            number += 1
        end = fields_of(payload)
        if (end.get("bytes"), end.get("sha256")) != (size, digest.hexdigest()):
            raise DamagedError("its length or SHA-256 is not the one at its end")
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)
    return path


def read_label(source: BinaryIO) -> tuple[dict[str, Any], int]:
    """Return the label, and the size of all blocks, which only the label says."""
    begin = source.read(LEAST_BLOCK)
    if len(begin) < HEADER.size:
        raise DamagedError("it is empty or cut off")
    length = HEADER.unpack_from(begin)[4]
    if length > LEAST_BLOCK - HEADER.size:
        raise DamagedError("its label is too long")
    fields = fields_of(begin[HEADER.size : HEADER.size + length])
    block_bytes = fields.get("block_bytes")
    if type(block_bytes) is not int or not LEAST_BLOCK <= block_bytes <= MOST_BLOCK:
        raise DamagedError("its label names no size of blocks")
    kind, _ = open_block(begin + source.read(block_bytes - LEAST_BLOCK), block_bytes, 0)
    if kind != LABEL:
        raise DamagedError("it does not begin with a label")
    return fields, block_bytes


def open_block(block: bytes, length: int, number: int) -> tuple[int, bytes]:
    if len(block) != length:
        raise DamagedError(f"it is cut off in block {number}")
    magic, kind, zero, zeros, size, crc, found = HEADER.unpack_from(block)
    payload = block[HEADER.size : HEADER.size + size]
    head = HEADER.pack(magic, kind, zero, zeros, size, 0, found)
    if magic != b"MPC1" or found != number or crc != zlib.crc32(payload, zlib.crc32(head)):
        raise DamagedError(f"block {number} is damaged or another one")
    return kind, payload


def fields_of(payload: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(payload)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise DamagedError("its label or its end cannot be read")
    return fields


def safe_name(label: dict[str, Any]) -> str:
    name = label.get("object")
    parts = name.split("/") if isinstance(name, str) else []
    if not parts or any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise DamagedError("its label names no object of a repository")
    return "/".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
