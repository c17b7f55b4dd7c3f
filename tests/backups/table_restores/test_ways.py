"""Which tables come by their files, and which row by row?"""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

import pytest

from backups.archive.contents import StoredFile
from backups.exceptions import Refused
from backups.opened_tables.part import PartTable
from backups.programs.compatibility import CLONE, MARIADB_BACKUP
from backups.table_names.names import TableName
from backups.table_restores.target import NewTable, TargetServer
from backups.table_restores.ways import choose_way

TABLE = TableName("shop", "orders")
NEW = NewTable(TABLE, TableName("shop", "mooring_1"), TABLE)
FILE = Mock(spec=StoredFile, path="shop/orders.ibd")
PART = PartTable(TABLE, None, (FILE,))
TARGET = TargetServer(Mock(), Mock(version="9.7.0", log_bin=False), "/srv/data", (NEW,), {})
PLAIN = "CREATE TABLE `orders` (\n  `id` int\n) ENGINE=InnoDB"


def test_a_table_of_a_mysql_comes_by_its_files() -> None:
    assert choose_way(PART, PLAIN, NEW, TARGET, CLONE, "9.7.0").by_files


@pytest.mark.parametrize(
    ("created", "engine", "version", "target", "reason"),
    [
        (PLAIN, MARIADB_BACKUP, "9.7.0", TARGET, "leave out imported tables"),
        (f"{PLAIN} /*!80016 ENCRYPTION='Y' */", CLONE, "9.7.0", TARGET, "it is encrypted"),
        (PLAIN.replace("\n)", ",\n  FULLTEXT KEY `k` (`t`)\n)"), CLONE, "9.7.0", TARGET, "text"),
        (PLAIN, CLONE, "8.4.0", TARGET, "the backup is of 8.4.0"),
        (PLAIN, CLONE, "9.7.0", replace(TARGET, folder=""), "cannot be written from this host"),
        (
            PLAIN, CLONE, "9.7.0", replace(TARGET, facts=Mock(version="9.7.0", log_bin=True)),
            "writes a binlog",
        ),
    ],
)  # fmt: skip
def test_others_come_row_by_row(
    created: str, engine: str, version: str, target: TargetServer, reason: str
) -> None:
    way = choose_way(PART, created, NEW, target, engine, version)
    assert not way.by_files
    assert reason in way.words


def test_the_history_of_rows_is_not_lost_silently() -> None:
    created = f"{PLAIN} WITH SYSTEM VERSIONING"
    with pytest.raises(Refused, match="keeps the history of its rows"):
        choose_way(PART, created, NEW, TARGET, MARIADB_BACKUP, "11.8.0")
