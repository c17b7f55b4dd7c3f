"""Is there room: the exact byte at which the answer changes."""

from __future__ import annotations

import pytest

from backups.checks import Verdict
from backups.preflight.space_estimate import RESERVE_BYTES, estimate_link_room, estimate_room

MIB = 1024**2
RAW = 1000 * MIB


@pytest.mark.parametrize(
    ("ratio", "free_beyond_reserve", "verdict"),
    [
        (0.5, 550 * MIB, Verdict.OK),
        (0.5, 550 * MIB - 1, Verdict.FAILED),
        (1.0, 1100 * MIB, Verdict.OK),
        (1.0, 1100 * MIB - 1, Verdict.FAILED),
        # Nothing to go by: an assumption decides, and says when it might be wrong.
        (None, 1100 * MIB, Verdict.OK),
        (None, 1100 * MIB - 1, Verdict.WARNING),
        (None, 770 * MIB, Verdict.WARNING),
        (None, 770 * MIB - 1, Verdict.FAILED),
        (0.5, -RESERVE_BYTES, Verdict.FAILED),
    ],
)
def test_every_edge(ratio: float | None, free_beyond_reserve: int, verdict: Verdict) -> None:
    room = estimate_room(
        raw_bytes=RAW, past_ratio=ratio, free_bytes=RESERVE_BYTES + free_beyond_reserve
    )
    assert room.verdict is verdict
    assert room.enough is (verdict is not Verdict.FAILED)


def test_it_says_the_figures() -> None:
    room = estimate_room(raw_bytes=RAW, past_ratio=0.5, free_bytes=300 * MIB)
    assert room.need_bytes == 550 * MIB
    assert room.explanation == (
        "about 550.0 MiB needed: 1000.0 MiB of tables and logs, stored at 50% (as last time), "
        "and 10% for growth; 300.0 MiB free, 256.0 MiB of it kept in reserve: "
        "506.0 MiB short"
    )


def test_it_says_what_it_assumed() -> None:
    room = estimate_room(raw_bytes=RAW, past_ratio=None, free_bytes=10_000 * MIB)
    assert "stored at 70% (assumed: no earlier backup)" in room.explanation


@pytest.mark.parametrize(
    ("raw_bytes", "free_bytes", "word"),
    [(None, RAW, "size of the instance is unknown"), (RAW, None, "free space is unknown")],
)
def test_what_is_unknown_is_neither_a_fault_nor_a_pass(
    raw_bytes: int | None, free_bytes: int | None, word: str
) -> None:
    room = estimate_room(raw_bytes=raw_bytes, past_ratio=0.5, free_bytes=free_bytes)
    assert room.enough is None
    assert room.verdict is Verdict.UNKNOWN
    assert word in room.explanation


@pytest.mark.parametrize(
    ("past", "free_beyond_reserve", "verdict", "word"),
    [
        # As large as a full one: nothing more is asked.
        (40 * MIB, 550 * MIB, Verdict.OK, "stored at 50%"),
        (40 * MIB, 80 * MIB, Verdict.OK, "2 times the largest"),
        (40 * MIB, 80 * MIB - 1, Verdict.FAILED, "kept in reserve"),
        (None, 80 * MIB, Verdict.WARNING, "A full backup: about 550.0 MiB needed"),
    ],
)
def test_what_is_based_on_another_takes_less(
    past: int | None, free_beyond_reserve: int, verdict: Verdict, word: str
) -> None:
    free = RESERVE_BYTES + free_beyond_reserve
    full = estimate_room(raw_bytes=RAW, past_ratio=0.5, free_bytes=free)
    room = estimate_link_room(past, full)
    assert room.verdict is verdict
    assert word in room.explanation
