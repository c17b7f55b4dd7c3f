"""What may be asked of a restore of tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.exceptions import BadInput
from backups.models import Instance
from backups.parameters import RestoreTableParameters
from backups.table_names.names import TableName
from backups.table_restores.request import WantedTables, new_names, parameters_for, tables_of

ORDERS, LINES = TableName("shop", "orders"), TableName("sh`op", "lin.es")
FILE = Path("/tmp/tables.sql")


def test_names_survive_the_row() -> None:
    asked = parameters_for(WantedTables([ORDERS, LINES, ORDERS], sql_file=FILE))
    assert tables_of(asked) == [ORDERS, LINES]
    assert new_names(asked) == {ORDERS: ORDERS, LINES: LINES}
    assert asked.target == str(FILE)
    assert RestoreTableParameters(**asked.write()) == asked


def test_the_only_table_may_get_another_name() -> None:
    asked = parameters_for(WantedTables([ORDERS], to_instance=Instance(name="a"), new_name=LINES))
    assert new_names(asked) == {ORDERS: LINES}
    assert asked.target == "a"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (WantedTables([ORDERS]), "one of an instance"),
        (WantedTables([ORDERS], sql_file=FILE, to_folder=FILE), "one of an instance"),
        (WantedTables([], sql_file=FILE), "between 1 and"),
        (WantedTables([ORDERS, LINES], sql_file=FILE, new_name=LINES), "a single table"),
        (WantedTables([ORDERS], to_folder=FILE, new_name=LINES), "keep its name"),
        (WantedTables([ORDERS], sql_file=FILE, replace=True), "only a table of an instance"),
        (WantedTables([ORDERS], sql_file=Path("tables.sql")), "not an absolute path"),
        (WantedTables([ORDERS], to_folder=Path("/" + "x" * 5000)), "is longer than"),
    ],
)
def test_what_contradicts_itself_is_refused(wanted: WantedTables, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        parameters_for(wanted)
