"""Which tables patterns name in a backup, and which of them have files to import."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backups.archive.contents import StoredFile
from backups.definitions.document import Definition, Definitions
from backups.exceptions import BadInput
from backups.table_names.choice import parse_pattern
from backups.table_restores.matched import MatchedTables, match_tables

PATHS = (
    "ibdata1",
    "mysql/innodb_index_stats.ibd",
    "shop/orders.frm",
    "shop/orders.ibd",
    "shop/parts#P#p0.ibd",
    "shop/late.new",
    "shop/odd-n@0kme.ibd",
    "shop/FTS_0000000000000012_CONFIG.ibd",
    "shop/isam.MYD",
    "other/t.ibd",
)
DEFINED = (
    ("table", "shop", "orders"),
    ("table", "shop", "odd-näme"),
    ("table", "shop", "roomed"),
    ("view", "shop", "big"),
)


def match(*patterns: str, defined: bool = True) -> MatchedTables:
    files = [StoredFile(number, path, 10, 10, 0, 0) for number, path in enumerate(PATHS)]
    objects = tuple(Definition(kind, schema, name, "CREATE") for kind, schema, name in DEFINED)
    definitions = Definitions(datetime(2026, 3, 1, tzinfo=UTC), objects, ())
    wanted = [parse_pattern(text) for text in patterns]
    return match_tables(files, definitions if defined else None, wanted)


def test_tables_with_a_tablespace_of_their_own_are_taken() -> None:
    found = match("shop.*")
    assert [each.name for each in found.tables] == ["late", "odd-näme", "orders", "parts"]
    assert [str(each) for each in found.left_out] == ["shop.isam", "shop.roomed"]


def test_without_definitions_names_are_those_of_files() -> None:
    found = match("shop.*", "other", defined=False)
    names = ["other.t", "shop.late", "shop.orders", "shop.parts"]
    assert [str(each) for each in found.tables] == names


@pytest.mark.parametrize("pattern", ["shop.none", "shop.isam", "mysql.*", "SHOP.orders"])
def test_a_pattern_without_files_to_import_is_refused(pattern: str) -> None:
    with pytest.raises(BadInput, match="no table with files to import for"):
        match("shop.orders", pattern)
