"""From which LSN does recovery start? The checkpoint in the header of a redo log file."""

from __future__ import annotations

import struct

import google_crc32c

_BLOCK_BYTES = 512
# Written alternately, so that one of them is always whole.
_CHECKPOINT_OFFSETS = (512, 1536)
HEADER_BYTES = 2048
_CHECKSUM = struct.Struct(">I")
_LSN = struct.Struct(">Q")


def checkpoint_lsn(header: bytes) -> int | None:
    """Return the newest whole checkpoint; None if there is none."""
    numbers = []
    for start in _CHECKPOINT_OFFSETS:
        block = bytes(header[start : start + _BLOCK_BYTES])
        if len(block) == _BLOCK_BYTES and any(block) and _is_whole(block):
            numbers.append(int(_LSN.unpack_from(block, 8)[0]))
    return max(numbers, default=None)


def _is_whole(block: bytes) -> bool:
    stored = _CHECKSUM.unpack_from(block, _BLOCK_BYTES - 4)[0]
    return bool(google_crc32c.value(block[: _BLOCK_BYTES - 4]) == stored)
