"""Which table is a file of?"""

from __future__ import annotations

import pytest

from backups.archive.contents import Contents, StoredFile
from backups.catalog.contents import (
    MAX_LISTED,
    group_by_table,
    pack_contents,
    table_of,
    unpack_contents,
)
from backups.innodb.names import decode_name


def files(**sizes: int) -> Contents:
    found = [
        StoredFile(number, path, size, size, 1, 1)
        for number, (path, size) in enumerate(sizes.items(), start=1)
    ]
    return Contents(found, (), (0,))


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("shop/orders.ibd", ("shop", "orders")),
        ("shop/orders.frm", ("shop", "orders")),
        ("shop/events#P#p0.ibd", ("shop", "events")),
        ("shop/events#p#p1#sp#p1sp0.ibd", ("shop", "events")),
        ("my@002dshop/a@0020b.MYD", ("my-shop", "a b")),
        # Of full-text indexes: of MariaDB, of MySQL.
        ("shop/FTS_0000000000000013_0000000000000022_INDEX_5.ibd", None),
        ("shop/fts_0000000000000435_being_deleted.ibd", None),
        ("shop/fts_orders.ibd", ("shop", "fts_orders")),
        ("shop/db.opt", None),
        ("ibdata1", None),
        ("undo001", None),
        ("ib_logfile0", None),
        ("mariadb_backup_info", None),
        ("#rocksdb/000001.ibd", None),
        ("shop/deep/er.ibd", None),
        ("shop/orders", None),
    ],
)
def test_the_table_of_a_file(path: str, table: tuple[str, str] | None) -> None:
    assert table_of(path) == table


def test_files_add_up_by_table() -> None:
    found = group_by_table(
        files(
            **{
                "ibdata1": 100,
                "shop/orders.frm": 1,
                "shop/orders.ibd": 20,
                "shop/events#P#p0.ibd": 3,
                "shop/events#P#p1.ibd": 4,
                "shop/events.frm": 1,
                "shop/events.par": 1,
                "shop/cheap.frm": 2,
                "shop/db.opt": 5,
            }
        )
    )
    assert [table[:4] for table in found.tables] == [
        ("shop", "events", 4, 9),
        ("shop", "orders", 2, 21),
    ]
    assert [view[:4] for view in found.definitions] == [("shop", "cheap", 1, 2)]
    assert (found.other_files, found.other_bytes) == (2, 105)


def test_nothing_is_nothing() -> None:
    found = group_by_table(files())
    assert (found.tables, found.definitions, found.other_files, found.other_bytes) == ([], [], 0, 0)


@pytest.mark.parametrize(
    ("encoded", "name"), [("a@002db", "a-b"), ("@0023", "#"), ("plain", "plain"), ("a@b", "a@b")]
)
def test_names_are_decoded(encoded: str, name: str) -> None:
    assert decode_name(encoded) == name


def test_more_tables_than_a_row_lists_are_counted() -> None:
    tables = {f"s/t{number}.ibd": number + 1 for number in range(MAX_LISTED + 2)}
    found = unpack_contents(pack_contents(group_by_table(files(**tables))))
    assert (len(found.tables), found.omitted) == (MAX_LISTED, 2)
    # The smallest.
    assert (found.other_files, found.other_bytes) == (2, 1 + 2)
