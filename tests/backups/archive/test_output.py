"""Which blocks of an extracted file stay holes?"""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from backups.archive.output import HOLE_BYTES, SAMPLED, content_runs

# A block is zeros, or has one byte that is not: where samples are taken, and elsewhere.
BLOCKS = st.sampled_from((None, *SAMPLED, 1, HOLE_BYTES - 1))


@given(st.lists(BLOCKS, max_size=12), st.integers(0, HOLE_BYTES), st.integers(0, HOLE_BYTES))
@example([None, None, 0, None], 0, 0)
@example([], HOLE_BYTES, 0)
def test_holes_are_whole_blocks_of_zeros_and_nothing_else(
    marks: list[int | None], cut: int, offset: int
) -> None:
    blocks = bytearray(HOLE_BYTES * len(marks))
    for number, mark in enumerate(marks):
        if mark is not None:
            blocks[number * HOLE_BYTES + mark] = 1
    content = memoryview(bytes(blocks[: max(0, len(blocks) - cut)]))
    written = bytearray(b"?" * len(content))
    for start, end in content_runs(content, offset):
        written[start:end] = content[start:end]
    first = -offset % HOLE_BYTES
    for at in range(first, len(content) - HOLE_BYTES + 1, HOLE_BYTES):
        block = slice(at, at + HOLE_BYTES)
        hole = not any(content[block])
        assert bytes(written[block]) == (b"?" * HOLE_BYTES if hole else bytes(content[block]))
        written[block] = content[block]
    # What is no whole block of the file is written, whatever it is.
    assert written == content
