"""What changed between two backups, by table: renamed, dropped and new ones too."""

from __future__ import annotations

from time import perf_counter

from backups.catalog.changes import MOST_LISTED, ContentChanges, compare
from backups.catalog.contents import BackupContents, TableContent

BLOCK = 16 * 1024


def contents(
    tables: list[TableContent], *, omitted: int = 0, other: int | None = None
) -> BackupContents:
    return BackupContents(tables, [], 0, 0, omitted, other)


def table(name: str, size: int, stored: int | None = None, *, known: bool = True) -> TableContent:
    return TableContent("shop", name, 1, size, stored, known)


def names(changes: ContentChanges) -> list[tuple[str, str]]:
    return [(changed.name, changed.how) for changed in changes.tables]


def test_the_table_that_stored_most_is_the_first() -> None:
    before = contents([table(name, 100 * BLOCK) for name in ("a", "b", "c")])
    after = [table("a", 100 * BLOCK, BLOCK), table("b", 100 * BLOCK, 0)]
    found = compare(before, contents([*after, table("c", 110 * BLOCK, 12 * BLOCK)], other=7))
    assert names(found) == [("c", "changed"), ("a", "changed")]
    assert [(changed.blocks, changed.growth) for changed in found.tables] == [
        (12, 10 * BLOCK),
        (1, 0),
    ]
    assert (found.changed_count, found.blocks, found.stored_bytes) == (2, 13, 13 * BLOCK)
    assert (found.tables_after, found.other_stored_bytes) == (3, 7)


def test_new_renamed_and_dropped_tables() -> None:
    before = contents([table("old", 9), table("gone", 5 * BLOCK)])
    after = [table("now", 9, 0), table("fresh", BLOCK, BLOCK, known=False)]
    found = compare(before, contents(after))
    assert names(found) == [("fresh", "new"), ("now", "renamed")]
    assert [dropped.name for dropped in found.dropped] == ["gone", "old"]
    counts = (found.new_count, found.renamed_count, found.dropped_count, found.dropped_bytes)
    assert counts == (1, 1, 2, 5 * BLOCK + 9)


def test_of_full_backups_sizes_are_compared() -> None:
    before = contents([table("a", 10), table("b", 10), table("c", 10)])
    found = compare(before, contents([table("a", 10), table("b", 4), table("c", 11)]))
    assert names(found) == [("b", "changed"), ("c", "changed")]
    assert (found.blocks, found.tables[0].blocks, found.tables[0].growth) == (None, None, -6)


def test_tables_that_one_of_them_does_not_list_are_not_compared() -> None:
    before = contents([table("a", 10)], omitted=3)
    found = compare(before, contents([table("b", 10, known=False)]))
    assert (found.new_count, found.dropped_count, found.not_compared) == (0, 1, 3)
    found = compare(contents([table("a", 10)]), contents([table("b", 10, known=False)], omitted=4))
    assert (found.new_count, found.dropped_count, found.not_compared) == (1, 0, 4)


def test_of_a_hundred_thousand_tables_the_largest_are_named() -> None:
    tables = [table(f"t{number}", 100 * BLOCK, number) for number in range(100_000)]
    gone = [table(f"old{number}", number) for number in range(1000)]
    began = perf_counter()
    found = compare(contents([*tables, *gone]), contents(tables))
    print(f"100,000 tables compared in {perf_counter() - began:.2f} s")
    assert len(found.tables) == len(found.dropped) == MOST_LISTED
    assert (found.changed_count, found.dropped_count) == (99_999, 1000)
    assert found.tables[0].name == "t99999"
