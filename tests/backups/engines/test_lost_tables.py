"""A table whose definition was copied without its data is named."""

from __future__ import annotations

import pytest

from backups.archive.records import Data, FileOpened, FileRenamed, Record
from backups.engines.mariadb_backup.log import LogReader
from backups.engines.mariadb_backup.lost_tables import LostTables

IGNORED = (
    "Warning: We assume the  table was dropped during xtrabackup execution and ignore the "
    "tablespace ./{}"
)


@pytest.mark.parametrize(
    ("ignored", "paths", "named"),
    [
        ("shop/orders.ibd", ["shop/orders.frm"], ["shop.orders"]),
        ("shop/a@002db.ibd", ["shop/a@002db.frm"], ["shop.a-b"]),
        ("shop/parts#P#p0.ibd", ["shop/parts.frm", "shop/parts#P#p1.ibd"], ["shop.parts"]),
        ("shop/parts#p#p0.ibd", ["shop/parts.frm"], ["shop.parts"]),
        # Dropped indeed, created again, renamed; and the file of another table.
        ("shop/orders.ibd", ["shop/other.frm"], []),
        ("shop/orders.ibd", ["shop/orders.frm", "shop/orders.new"], []),
        ("shop/orders.ibd", ["shop/orders.ibd", "shop/orders.frm"], []),
        ("shop/orders.ibd", ["shop/orders.frm", "shop/orders2.ibd"], ["shop.orders"]),
    ],
)
def test_it_is_lost_where_it_is_defined_and_has_no_data(
    ignored: str, paths: list[str], named: list[str]
) -> None:
    log, files = LogReader(), LostTables()
    log.feed(IGNORED.format(ignored), 0)
    records: list[Record] = [FileOpened(1, paths[0]), Data(1, 0, memoryview(b"x"))]
    records += [FileRenamed(number, path) for number, path in enumerate(paths[1:], start=2)]
    assert list(files.follow(iter(records))) == records
    problems = files.problems(log.ignored)
    assert [problem.split(" has a definition")[0] for problem in problems] == named
