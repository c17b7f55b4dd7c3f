"""Does the measurement of receiving measure what it says?"""

from __future__ import annotations

import pytest

from bench.binlog_speed import LARGE, SMALL, receive_speed


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_all_that_is_sent_is_received(shape: tuple[tuple[int, int], ...]) -> None:
    cpu, wall = receive_speed(shape, 3 << 20)
    assert cpu > 0
    assert wall > 0
