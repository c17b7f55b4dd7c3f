"""Is every promise of the binlog archive tried, and are its forged files what they seem?"""

from __future__ import annotations

from pathlib import Path

from backups.binlogs.dump.tail import read_tail
from backups.binlogs.events.header import LOG_POS_RANGE
from bench.binlog_promises.all import PROMISES
from bench.binlog_soak import COUNTS
from tests.backups.binlogs.made import file_of, mysql_gtid, query, rotate, xid
from tests.live import far_binlogs
from tests.live.far_binlogs import FarBinlogs, moved, straddling, write_far


def test_every_promise_has_a_count() -> None:
    assert list(PROMISES) == list(COUNTS)


def test_a_far_file_is_whole(tmp_path: Path) -> None:
    events = [each for number in (1, 2) for each in (mysql_gtid(number, 1), query(b"BEGIN"), xid())]
    head, content = file_of(), file_of(*events, rotate())[len(file_of()) :]
    start = 3 * far_binlogs.FILLER_BYTES + 10
    write_far(tmp_path / "b.000001", head, start, moved(content, start - len(head)))
    tail = read_tail(tmp_path / "b.000001")
    assert (tail.end, tail.complete) == (start + len(content), True)
    assert (tmp_path / "b.000001").stat().st_blocks * 512 < 1 << 20
    first, second = FarBinlogs(tmp_path, "b.000001", start).transactions("b.000001")
    assert (first.start, second.start, second.end) == (start, first.end, tail.end - len(rotate()))


def test_its_transactions_lie_on_both_sides_of_4_gib() -> None:
    assert straddling(1000) < LOG_POS_RANGE < straddling(1000) + 1000
