"""Which files of a clone a partial backup keeps: all that a chosen table may need, and no other."""

from __future__ import annotations

import pytest

from backups.engines.clone.chosen_files import ChosenFiles, table_of_file
from backups.innodb.pages import SHARED

HIDDEN = "fts_000000000000042b_config"
OTHER = "fts_0000000000000437_config"
CHOSEN = ChosenFiles(
    ("shop/orders", "shop/@1id@002dd", f"shop/{HIDDEN}", "kept.ibd", "/far/ts.ibd"),
    (f"shop/{OTHER}",),
)


@pytest.mark.parametrize(
    ("path", "flags", "kept"),
    [
        ("ibdata1", 0, True),
        ("ib_buffer_pool", 0, True),
        ("undo_001", 0, True),
        ("mine.ibu", 0, True),
        ("mysql.ibd", SHARED, True),
        ("sys/sys_config.ibd", 0, True),
        ("shop/orders.ibd", 0, True),
        ("shop/orders#p#p0.ibd", 0, True),
        ("shop/orders#P#p0#SP#s1.ibd", 0, True),
        ("shop/@1id@002dd.ibd", 0, True),
        ("/far/shop/orders.ibd", 0, True),
        (f"shop/{HIDDEN}.ibd", 0, True),
        # Made since the names were read: it may be of a chosen table.
        ("shop/fts_0000000000000999_config.ibd", 0, True),
        # DDL has it in work, and may give it a chosen name.
        ("shop/#sql-ib1079-12345.ibd", 0, True),
        ("kept.ibd", SHARED, True),
        ("/far/ts.ibd", SHARED, True),
        ("shop/orders_old.ibd", 0, False),
        ("shop/orders@0023p@0023x.ibd", 0, False),
        ("other/orders.ibd", 0, False),
        ("/far/other/orders.ibd", 0, False),
        ("other/#sql-ib1079-12345.ibd", 0, False),
        (f"shop/{OTHER}.ibd", 0, False),
        (f"other/{HIDDEN}.ibd", 0, False),
        ("unkept.ibd", SHARED, False),
        ("/far/other.ibd", SHARED, False),
    ],
)
def test_which_files_are_kept(path: str, flags: int, kept: bool) -> None:
    assert CHOSEN.keeps(path, flags) is kept


def test_the_table_of_a_file() -> None:
    assert table_of_file("/far/shop/orders#p#p0#sp#s1.ibd") == "shop/orders"
