"""What differs between two backups, where both, one or neither has blocks and definitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from backups.archive.contents import StoredFile
from backups.catalog.block_changes import BlockCount
from backups.catalog.comparison import (
    ComparedSide,
    ComparedTable,
    Comparison,
    compare_sides,
    diff_of,
)
from backups.definitions.document import Definition, Definitions
from tests.backups.defined import READ_AT, table

KEY = ("shop", "orders")


def side(
    size: int | None = 10,
    *defined: Definition,
    missing: Sequence[str] = (),
    known: bool = True,
) -> ComparedSide:
    files = {} if size is None else {KEY: [StoredFile(1, "shop/orders.ibd", size, size, 1, 1)]}
    return ComparedSide(files, Definitions(READ_AT, defined, tuple(missing)) if known else None)


def compared(
    before: ComparedSide, after: ComparedSide, blocks: BlockCount | None = None
) -> ComparedTable:
    (found,) = whole(before, after, blocks).tables
    return found


def whole(
    before: ComparedSide, after: ComparedSide, blocks: BlockCount | None = None
) -> Comparison:
    return compare_sides(before, after, {} if blocks is None else {KEY: blocks}, ())


SAME, OTHER = table("orders"), table("orders", "  `id` bigint\n")
DEFINED, ALTERED = side(10, SAME), side(10, OTHER)


@pytest.mark.parametrize(
    ("before", "after", "blocks", "how", "definition", "changed"),
    [
        (DEFINED, DEFINED, BlockCount(9, 0, 0), "unchanged", "unchanged", 0),
        (DEFINED, DEFINED, BlockCount(9, 2, 0), "changed", "unchanged", 2),
        (DEFINED, DEFINED, BlockCount(9, 0, 1), "unknown", "unchanged", None),
        (DEFINED, DEFINED, BlockCount(9, 2, 1), "changed", "unchanged", None),
        (DEFINED, DEFINED, None, "unknown", "unchanged", None),
        (DEFINED, side(11, SAME), None, "changed", "unchanged", None),
        (DEFINED, ALTERED, BlockCount(9, 0, 0), "changed", "changed", 0),
        (DEFINED, side(10, known=False), BlockCount(9, 0, 0), "unknown", "unknown", 0),
        (side(10), side(10), BlockCount(9, 0, 0), "unchanged", "none", 0),
        (side(10, missing=["x"]), side(10), BlockCount(9, 0, 0), "unknown", "unknown", 0),
        (side(None), DEFINED, BlockCount(9, 9, 0), "added", "unknown", 9),
        (DEFINED, side(None), None, "removed", "unknown", None),
        (side(10, known=False), side(None, known=False), None, "removed", "unknown", None),
        # In a tablespace of several, only the definition tells.
        (side(None), side(None, SAME), None, "added", "unknown", None),
        (side(None, SAME), side(None), None, "removed", "unknown", None),
        (side(None, SAME), side(None, missing=["x"]), None, "unknown", "unknown", None),
        (side(None, SAME), side(None, SAME), None, "unknown", "unchanged", None),
        (side(None, SAME), side(None, OTHER), None, "changed", "changed", None),
        (side(None, SAME), DEFINED, None, "changed", "unchanged", None),
    ],
)
def test_a_table(
    before: ComparedSide,
    after: ComparedSide,
    blocks: BlockCount | None,
    how: str,
    definition: str,
    changed: int | None,
) -> None:
    found = compared(before, after, blocks)
    assert (found.how, found.definition, found.changed_blocks) == (how, definition, changed)


def test_what_a_partial_backup_has_not_may_have_been_there() -> None:
    partial = replace(side(None), chosen=True)
    assert compared(DEFINED, partial).how == compared(partial, DEFINED).how == "unknown"
    shown = compared(replace(DEFINED, chosen=True), DEFINED, BlockCount(9, 2, 0))
    assert shown.how == "changed"
    (view,) = whole(side(10, Definition("view", "shop", "big", "a")), partial).definitions
    assert view.how == "unknown"


def test_the_next_number_is_no_part_of_a_definition() -> None:
    before, after = (table("orders", options=f"ENGINE=InnoDB{each} COMMENT='x'") for each in
                     (" AUTO_INCREMENT=7", " AUTO_INCREMENT=812"))  # fmt: skip
    assert compared(side(10, before), side(10, after)).definition == "unchanged"
    noted = table("orders", options="ENGINE=InnoDB COMMENT='AUTO_INCREMENT=7'")
    assert compared(side(10, before), side(10, noted)).definition == "changed"


def test_a_changed_definition_is_a_diff() -> None:
    assert compared(DEFINED, ALTERED).diff == [
        "@@ -1,3 +1,3 @@",
        " CREATE TABLE `orders` (",
        "-  `id` int",
        "+  `id` bigint",
        " ) ENGINE=InnoDB",
    ]


def test_a_diff_shows_no_password() -> None:
    before, after = (f"CONNECTION='mysql://me:{word}@db/a'" for word in ("s3cret", "other"))
    shown = "\n".join(diff_of(before, after))
    assert "password" in shown
    assert "s3cret" not in shown


def test_views_and_routines() -> None:
    def view(sql: str) -> Definition:
        return Definition("view", "shop", "big", sql)

    (changed,) = whole(side(10, view("a")), side(10, view("b"))).definitions
    assert (changed.kind, changed.name, changed.how) == ("view", "shop.big", "changed")
    (added,) = whole(side(10), side(10, view("b"))).definitions
    assert (added.how, added.diff) == ("added", ())
    (removed,) = whole(side(10, view("b")), side(10)).definitions
    assert removed.how == "removed"
    (unknown,) = whole(side(10, view("b")), side(10, missing=["no views"])).definitions
    assert unknown.how == "unknown"
    assert whole(side(10, view("b")), side(10, known=False)).definitions == ()


def test_what_changed_most_is_first() -> None:
    files = {("s", name): [StoredFile(1, "x", 10, 10, 1, 1)] for name in "abcd"}
    known = ComparedSide(files, Definitions(READ_AT, (), ()))
    blocks = {
        ("s", "a"): BlockCount(9, 0, 0),
        ("s", "b"): BlockCount(9, 1, 0),
        ("s", "c"): BlockCount(9, 5, 0),
    }
    found = compare_sides(known, known, blocks, ())
    assert [each.name for each in found.tables] == ["c", "b", "d", "a"]
    assert found.counts == {"changed": 2, "added": 0, "removed": 0, "unknown": 1, "unchanged": 1}
