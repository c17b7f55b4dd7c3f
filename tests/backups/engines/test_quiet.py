"""Which tables are quiet, which have changed since, and which does the tool leave out?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from backups.engines.mariadb_backup.quiet import (
    DEFINITION,
    MOST_WORD_BYTES,
    ROWS,
    FileMark,
    TableLook,
    choose_quiet,
    exclusion,
    find_changed,
    find_replaced,
)

SECOND = 1_000_000_000
NOW = 1_000_000 * SECOND
OLD = FileMark(1, 10, 65536, NOW - 3601 * SECOND, NOW - 3601 * SECOND)


def look(
    *suffixes: str, rows: FileMark = OLD, space: int | None = 7, generation: int | None = 3
) -> TableLook:
    files = {suffix: OLD for suffix in suffixes or (DEFINITION, ROWS)}
    return TableLook({**files, **({ROWS: rows} if ROWS in files else {})}, space, generation)


def chosen(looks: Mapping[str, TableLook], *busy: str, age: int = 3600) -> list[str]:
    return choose_quiet(looks, now_ns=NOW, age_seconds=age, busy=busy)


def test_a_table_of_two_old_files_is_quiet_the_largest_first() -> None:
    large = look(rows=replace(OLD, size=1 << 20))
    assert chosen({"shop.a": look(), "shop.b": large}) == ["shop.b", "shop.a"]


@pytest.mark.parametrize(
    ("name", "suffixes"),
    [
        ("shop.view", (".frm",)),
        ("shop.visits", (".frm", ".MYD", ".MYI")),
        ("shop.linked", (".frm", ".ibd", ".isl")),
        ("shop.elsewhere", (".frm", ".isl")),
        ("shop.with_trigger", (".frm", ".ibd", ".TRG")),
        ("shop.called_as_a_trigger", (".frm", ".ibd", ".TRN")),
        ("shop.db", (".frm", ".ibd", ".opt")),
        ("shop.events", (".frm", ".par")),
        ("shop.events#P#p0", (".ibd",)),
        ("shop.exporting", (".frm", ".ibd", ".cfg")),
        ("shop.link", (".frm", ".ibd (no file)")),
        ("shop.FTS_0000000000000012_CONFIG", (".ibd",)),
        ("shop.FTS_anything", (".frm", ".ibd")),
        ("shop.#sql-alter-1-2", (".frm", ".ibd")),
        ("mysql.innodb_table_stats", (".frm", ".ibd")),
        ("#mysql50#x.y", (".frm", ".ibd")),
    ],
)
def test_anything_else_is_left_to_the_tool(name: str, suffixes: tuple[str, ...]) -> None:
    assert chosen({name: look(*suffixes)}) == []


@pytest.mark.parametrize("column", ["mtime_ns", "ctime_ns"])
@pytest.mark.parametrize(("age_ns", "quiet"), [(SECOND + 1, True), (SECOND, False), (-5, False)])
def test_both_times_must_be_older_and_none_in_the_future(
    column: str, age_ns: int, quiet: bool
) -> None:
    rows = replace(OLD, **{column: NOW - age_ns})
    assert bool(chosen({"shop.a": look(rows=rows)}, age=1)) is quiet


@pytest.mark.parametrize(
    ("pattern", "quiet"),
    [("shop.*", False), ("*.or?ers", False), ("my-shop.a b", True), ("Shop.orders", True)],
)
def test_a_table_that_a_pattern_names_is_busy(pattern: str, quiet: bool) -> None:
    assert bool(chosen({"shop.orders": look()}, pattern)) is quiet


def test_patterns_are_of_names_as_people_write_them() -> None:
    assert chosen({"my@002dshop.a@0020b": look()}, "my-shop.a b") == []


def test_any_change_is_one_before_the_checkpoint() -> None:
    before = {"shop.a": look()}
    assert find_changed(before, before) == frozenset()
    for column in ("device", "inode", "size", "mtime_ns", "ctime_ns"):
        rows = replace(OLD, **{column: getattr(OLD, column) + 1})
        assert find_changed(before, {"shop.a": look(rows=rows)}) == {"shop.a"}
    assert find_changed(before, {}) == {"shop.a"}
    assert find_changed(before, {"shop.a": look(".frm", ".ibd", ".TRG")}) == {"shop.a"}


def test_the_coarse_clock_of_files_hides_no_write() -> None:
    """The old time is older than a step of the clock: a write in any later one shows."""
    step = 4_000_000
    written = replace(OLD, mtime_ns=OLD.mtime_ns - OLD.mtime_ns % step + step)
    assert find_changed({"shop.a": look()}, {"shop.a": look(rows=written)}) == {"shop.a"}


def test_rows_may_change_after_the_checkpoint_and_the_table_may_not() -> None:
    before = {"shop.a": look()}
    grown = replace(OLD, size=1 << 20, mtime_ns=NOW, ctime_ns=NOW)
    assert find_replaced(before, {"shop.a": look(rows=grown)}) == frozenset()
    another = {
        "dropped": {},
        "renamed": {"shop.b": look()},
        "another file": {"shop.a": look(rows=replace(OLD, inode=11))},
        "another disk": {"shop.a": look(rows=replace(OLD, device=2))},
        "same number, another tablespace": {"shop.a": look(space=8)},
        "cannot be read": {"shop.a": look(space=None)},
        "another engine": {"shop.a": look(".frm", ".MAD", ".MAI")},
        "with a trigger": {"shop.a": look(".frm", ".ibd", ".TRG")},
        "altered": {"shop.a": TableLook({DEFINITION: replace(OLD, ctime_ns=NOW), ROWS: OLD}, 7)},
    }
    for what, now in another.items():
        assert find_replaced(before, now) == {"shop.a"}, what


def test_an_imported_tablespace_has_number_and_id_of_the_one_before() -> None:
    written = replace(OLD, mtime_ns=NOW, ctime_ns=NOW)
    imported = {"shop.a": look(rows=written, generation=4)}
    assert find_replaced({"shop.a": look()}, imported) == {"shop.a"}


def test_without_generations_only_what_was_not_written_is_the_same_table() -> None:
    before = {"shop.a": look(generation=None)}
    assert find_replaced(before, before) == frozenset()
    written = {"shop.a": look(rows=replace(OLD, mtime_ns=NOW), generation=None)}
    assert find_replaced(before, written) == {"shop.a"}


def test_two_tables_that_were_swapped_are_both_others() -> None:
    one, two = look(rows=replace(OLD, inode=1)), look(rows=replace(OLD, inode=2))
    before = {"shop.one": one, "shop.two": two}
    assert find_replaced(before, {"shop.one": two, "shop.two": one}) == {"shop.one", "shop.two"}


def test_the_tool_leaves_out_these_tables_and_no_others() -> None:
    pattern = exclusion(["shop.a@0020b", "shop.t$1", "my@002dshop.t"])
    assert pattern == "^(my@002dshop[.](t)|shop[.](a@0020b|t[$]1))$"
    for name in ("shop.a@0020b", "shop.t$1", "my@002dshop.t"):
        assert re.search(pattern, name)
    for name in ("shop.t", "shop.t$11", "xshop.t$1", "shop.a@0020b#P#p0", "shopxt$1"):
        assert not re.search(pattern, name)


def test_no_more_tables_are_quiet_than_fit_the_tools_option() -> None:
    looks = {f"{number:064}.{'$' * 60}": look() for number in range(3000)}
    names = chosen(looks)
    assert 0 < len(names) < 3000
    assert len(exclusion(names)) <= MOST_WORD_BYTES
