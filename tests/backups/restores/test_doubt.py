"""After which end of a server is it proven what it has?"""

from __future__ import annotations

import pytest

from backups.binlog_archive.recovery.from_backup import PlacedTransaction
from backups.binlogs.index.read import ChangedTable, IndexedTransaction
from backups.restores.replay.doubt import TablesFound, doubt_of_failed, doubt_of_killed

PLAIN = TablesFound(frozenset({"mysql.general_log"}))
MIXED = TablesFound(frozenset({"shop.old", "mysql.event"}))


def placed(*tables: str, statement: str = "", ddl: bool = False) -> PlacedTransaction:
    changed = tuple(ChangedTable(name, 1, 0, 0, 40) for name in tables)
    there = IndexedTransaction(0, 4, 90, "0-1-5", 0, changed, statement, ddl)
    return PlacedTransaction("b.000001", there, "b.000001")


ROWS = placed("shop.orders")
STATEMENT = placed(statement="UPDATE")
DDL = placed(statement="CREATE TABLE shop.new (id INT)", ddl=True)
XA = placed("shop.orders", statement="XA START X'61'")
FOREIGN = placed("shop.orders", "shop.old")
TEMPORARY = placed(statement="create or replace temporary table shop.t (id INT)", ddl=True)


@pytest.mark.parametrize(
    ("found", "before", "behind", "mariadb", "why"),
    [
        (PLAIN, [ROWS, DDL], [ROWS, STATEMENT], True, ""),
        (MIXED, [FOREIGN], [ROWS], True, ""),
        (MIXED, [], [STATEMENT], True, "tables by a statement"),
        (PLAIN, [], [ROWS, DDL], True, "it is CREATE TABLE shop.new"),
        (PLAIN, [], [ROWS, DDL], False, ""),
        (MIXED, [], [DDL], False, "it is CREATE TABLE shop.new"),
        (PLAIN, [], [XA], False, "XA transaction"),
        (MIXED, [], [ROWS, FOREIGN], False, "it changes shop.old"),
        (PLAIN, [TEMPORARY], [], True, "temporary table"),
        (
            TablesFound(frozenset(), frozenset({"mysql.gtid_slave_pos"})),
            [],
            [],
            True,
            "its position",
        ),
    ],
)
def test_what_a_kill_leaves_in_doubt(
    found: TablesFound,
    before: list[PlacedTransaction],
    behind: list[PlacedTransaction],
    mariadb: bool,
    why: str,
) -> None:
    doubt = doubt_of_killed(found, before, behind, is_mariadb=mariadb)
    assert (why in doubt) if why else doubt == ""


def test_what_an_error_leaves_in_doubt() -> None:
    assert doubt_of_failed(
        MIXED, [ROWS, DDL, STATEMENT]
    ) == "0-1-5 may have been applied in part: " + (
        "it changes tables by a statement, and some are not of InnoDB"
    )
    assert doubt_of_failed(PLAIN, [ROWS, DDL, XA]) == ""
    assert "shop.old" in doubt_of_failed(MIXED, [FOREIGN])
    # No worker had come so far.
    assert doubt_of_failed(MIXED, [*[ROWS] * 16, FOREIGN]) == ""
