"""From which LSN does recovery start, and to which does it go?

The checkpoint in the header of a redo log file of MySQL, and its last block.
"""

from __future__ import annotations

import os
import struct

import google_crc32c

_BLOCK_BYTES = 512
# Written alternately, so that one of them is always whole.
_CHECKPOINT_OFFSETS = (512, 1536)
HEADER_BYTES = 2048
_CHECKSUM = struct.Struct(">I")
_LSN = struct.Struct(">Q")
_START_OFFSET = 8
# Number of the block, and how much of it is used; both have a flag in their highest bit.
_BLOCK_HEAD = struct.Struct(">IH")
_HEAD_BYTES = 12


def checkpoint_lsn(header: bytes) -> int | None:
    """Return the newest whole checkpoint; None if there is none."""
    numbers = []
    for start in _CHECKPOINT_OFFSETS:
        block = bytes(header[start : start + _BLOCK_BYTES])
        if len(block) == _BLOCK_BYTES and any(block) and _is_whole(block):
            numbers.append(int(_LSN.unpack_from(block, 8)[0]))
    return max(numbers, default=None)


def end_lsn(descriptor: int) -> int | None:
    """Return the LSN at which a redo log file ends that is not written in a circle.

    None if it has no block. Blocks are numbered by their LSN, encrypted ones too, and those that
    were written come first.
    """
    header = os.pread(descriptor, HEADER_BYTES, 0)
    if len(header) != HEADER_BYTES:
        return None
    start = int(_LSN.unpack_from(header, _START_OFFSET)[0])
    first, last = 0, (os.fstat(descriptor).st_size - HEADER_BYTES) // _BLOCK_BYTES
    while first < last:
        middle = (first + last) // 2
        if _used_bytes(descriptor, start, middle):
            first = middle + 1
        else:
            last = middle
    if not first:
        return None
    return start + (first - 1) * _BLOCK_BYTES + _used_bytes(descriptor, start, first - 1)


def _used_bytes(descriptor: int, start: int, index: int) -> int:
    """Return how much of a block is used; 0 if it was not written for its place."""
    offset = HEADER_BYTES + index * _BLOCK_BYTES
    head = os.pread(descriptor, _BLOCK_HEAD.size, offset)
    if len(head) != _BLOCK_HEAD.size:
        return 0
    number, used = _BLOCK_HEAD.unpack(head)
    expected = ((start // _BLOCK_BYTES + index) & 0x3FFFFFFF) + 1
    used &= 0x7FFF
    is_ours = number & 0x7FFFFFFF == expected and _HEAD_BYTES <= used <= _BLOCK_BYTES
    return used if is_ours else 0


def _is_whole(block: bytes) -> bool:
    stored = _CHECKSUM.unpack_from(block, _BLOCK_BYTES - 4)[0]
    return bool(google_crc32c.value(block[: _BLOCK_BYTES - 4]) == stored)
