"""Which checkpoint is at the beginning of a redo log?"""

from __future__ import annotations

import pytest

from backups.programs.redo_checkpoint import parse_checkpoint


def redo_log(kind: int, first: int, second: int) -> bytes:
    content = bytearray(8200)
    content[:4] = kind.to_bytes(4, "big")
    content[4096:4104] = first.to_bytes(8, "big")
    content[8192:8200] = second.to_bytes(8, "big")
    return bytes(content)


@pytest.mark.parametrize("kind", [0x50687973, 0xF09F979D])
def test_the_newer_of_both(kind: int) -> None:
    assert parse_checkpoint(redo_log(kind, 7, 9)) == 9
    assert parse_checkpoint(redo_log(kind, 9, 7)) == 9


@pytest.mark.parametrize(
    "content", [b"", redo_log(0x50485953, 7, 9), redo_log(0x50687973, 7, 9)[:8195]]
)
def test_anything_else_is_unknown(content: bytes) -> None:
    assert parse_checkpoint(content) is None
