"""What is inside a TRANSACTION_PAYLOAD event, where MySQL compresses a whole transaction?

Fields of a type, a length and a value, then the transaction's events as one zstd stream: without
checksums, their log_pos 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import zstandard

from backups.binlogs.events.gtid_events import read_packed_integer
from backups.binlogs.events.header import HEADER
from backups.exceptions import BinlogDamaged

_END, _SIZE, _ALGORITHM, _PLAIN_SIZE = 0, 1, 2, 3
_ZSTD, _NONE = 0, 255
_CHUNK = 1 << 20


def payload_chunks(event: bytes) -> Iterator[bytes]:
    """Yield the bytes of the events inside a whole event, or raise BinlogDamaged."""
    fields, at = _read_fields(event)
    compressed = event[at : at + fields.get(_SIZE, 0)]
    algorithm = fields.get(_ALGORITHM, _ZSTD)
    if algorithm == _NONE:
        yield compressed
    elif algorithm == _ZSTD:
        yield from _decompress(compressed, fields.get(_PLAIN_SIZE, 0))
    else:
        raise BinlogDamaged(f"a payload is compressed by an algorithm {algorithm} not known here")


def _read_fields(event: bytes) -> tuple[dict[int, int], int]:
    """Return the fields by type, and where the compressed bytes begin."""
    fields: dict[int, int] = {}
    at = HEADER.size
    try:
        while True:
            kind, at = read_packed_integer(event, at)
            if kind == _END:
                return fields, at
            length, at = read_packed_integer(event, at)
            fields[kind], _ = read_packed_integer(event, at)
            at += length
    except IndexError as error:
        raise BinlogDamaged(f"a payload event of {len(event)} bytes ends too soon") from error


def _decompress(compressed: bytes, size: int) -> Iterator[bytes]:
    reader = zstandard.ZstdDecompressor().stream_reader(compressed, read_across_frames=True)
    left = size
    try:
        while chunk := reader.read(_CHUNK):
            left -= len(chunk)
            yield chunk
            if left < 0:
                break
    except zstandard.ZstdError as error:
        raise BinlogDamaged(f"a payload cannot be decompressed: {error}") from error
    if left:
        raise BinlogDamaged(f"a payload does not become the {size} bytes that it claims")
