"""The definition of a table under another name."""

from __future__ import annotations

import pytest

from backups.exceptions import StageFailed
from backups.table_names.names import TableName
from backups.table_restores.definitions import created_as

CHILDREN = TableName("shop", "children")
NEW = TableName("other", "mooring_00000000_1")
SQL = """CREATE TABLE `children` (
  `id` int NOT NULL,
  `note` varchar(20) DEFAULT 'REFERENCES `children` (' COMMENT 'DATA DIRECTORY=''/x''',
  PRIMARY KEY (`id`),
  CONSTRAINT `of_boss` FOREIGN KEY (`boss`) REFERENCES `children` (`id`),
  CONSTRAINT `of``parent` FOREIGN KEY (`parent`) REFERENCES `parents` (`id`) ON DELETE CASCADE,
  CONSTRAINT `positive` CHECK ((`id` > 0))
) ENGINE=InnoDB"""


def created(sql: str = SQL, **given: object) -> str:
    moved = given.get("moved", {})
    taken = given.get("taken", frozenset())
    return created_as(sql, CHILDREN, NEW, moved=moved, taken=taken)  # type: ignore[arg-type]


def test_it_gets_another_name_and_nothing_else_changes() -> None:
    assert created() == SQL.replace("`children` (\n", "`other`.`mooring_00000000_1` (\n", 1)


def test_foreign_keys_follow_what_is_made_beside_it() -> None:
    sql = created(moved={"children": "mooring_00000000_1", "parents": "mooring_00000000_2"})
    assert "(`boss`) REFERENCES `mooring_00000000_1` (`id`)" in sql
    assert "(`parent`) REFERENCES `mooring_00000000_2` (`id`) ON DELETE CASCADE" in sql
    assert "DEFAULT 'REFERENCES `children` ('" in sql


def test_names_of_constraints_that_are_taken_are_left_to_the_server() -> None:
    sql = created(taken=frozenset({"of`parent", "positive"}))
    assert "\n  FOREIGN KEY (`parent`)" in sql
    assert "\n  CHECK ((`id` > 0))" in sql
    assert "CONSTRAINT `of_boss`" in sql


@pytest.mark.parametrize(
    ("tail", "left"),
    [
        (") ENGINE=InnoDB DATA DIRECTORY='/far/away'", ") ENGINE=InnoDB"),
        (") /*!50100 TABLESPACE `ts` */ ENGINE=InnoDB", ") ENGINE=InnoDB"),
        (
            ")\n/*!50100 PARTITION BY HASH (`id`)\nPARTITIONS 3 */",
            ")\n/*!50100 PARTITION BY HASH (`id`)\nPARTITIONS 3 */",
        ),
    ],
)
def test_places_of_the_other_server_are_left_out(tail: str, left: str) -> None:
    assert created(SQL.rpartition("\n)")[0] + "\n" + tail).endswith("\n" + left)


def test_what_is_no_such_definition_is_not_run() -> None:
    with pytest.raises(StageFailed, match="cannot be made elsewhere"):
        created("DROP TABLE `children`")
