"""Which place does a replica mean that names a file and a position?"""

from __future__ import annotations

import pytest

from backups.binlogs.source.served import Served, ServedRange, StreamPlace
from backups.programs.compatibility import MYSQL
from tests.backups.binlogs.source.held import HeldBinlogs

GIB4 = 1 << 32
A, B = "bin.000001", "bin.000002"
FIRST = StreamPlace(0, 0)


def served(*stretches: ServedRange) -> Served:
    return Served(HeldBinlogs({}), stretches, MYSQL)


def test_a_file_begins_where_its_stretch_does() -> None:
    both = served(ServedRange(A, 500, 900), ServedRange(B, 4, 700))
    assert both.place_of(A, 4, FIRST) == StreamPlace(0, 500)
    assert both.place_of(A, 600, FIRST) == StreamPlace(0, 600)
    assert both.place_of(B, 4, StreamPlace(0, 900)) == StreamPlace(1, 4)
    assert both.place_of(A, 901, FIRST) is None
    assert both.place_of("bin.000003", 4, FIRST) is None


# Where the first stretch of A begins, what was sent, what the replica names, what it means.
FAR = [
    (GIB4 + 500, FIRST, 500, GIB4 + 500),
    (GIB4 + 500, FIRST, GIB4 + 500, GIB4 + 500),
    (GIB4 + 500, StreamPlace(0, GIB4 + 900), 800, GIB4 + 800),
    (GIB4 + 500, StreamPlace(0, GIB4 + 900), GIB4 + 800, GIB4 + 800),
    (GIB4 - 500, StreamPlace(0, GIB4 + 900), 800, GIB4 + 800),
    (GIB4 - 500, StreamPlace(0, GIB4 + 900), GIB4 - 100, GIB4 - 100),
    (4, StreamPlace(0, 2 * GIB4 + 10), 5, 2 * GIB4 + 5),
    (4, StreamPlace(0, 2 * GIB4 + 10), 20, GIB4 + 20),
    (4, StreamPlace(1, 200), 20, 2 * GIB4 + 20),
]


@pytest.mark.parametrize(("start", "reached", "named", "meant"), FAR)
def test_beyond_4_gib_the_last_such_place_that_was_sent_is_meant(
    start: int, reached: StreamPlace, named: int, meant: int
) -> None:
    far = served(ServedRange(A, start, 2 * GIB4 + 100), ServedRange(B, 4, 700))
    assert far.place_of(A, named, reached) == StreamPlace(0, meant)
