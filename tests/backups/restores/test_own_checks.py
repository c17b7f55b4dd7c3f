"""Which own checks does a file hold, and which of them pass?"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

import pymysql
import pytest
from pymysql.connections import Connection

from backups.exceptions import BadInput
from backups.restores.own_checks import MOST_BYTES, parse_own_checks, run_own_checks


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        ("-- nothing yet\n# nor here\n", []),
        ("SELECT 1", ["SELECT 1"]),
        (
            "-- first\nSELECT 1;\n\nselect ';' AS x\n  FROM t;\n",
            ["SELECT 1", "select ';' AS x\n  FROM t"],
        ),
        (
            "WITH a AS (SELECT 1) SELECT 2; \n(SELECT 3);",
            ["WITH a AS (SELECT 1) SELECT 2", "(SELECT 3)"],
        ),
    ],
)
def test_a_file_is_read(text: str, statements: list[str]) -> None:
    assert parse_own_checks(text) == statements


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("DROP TABLE t;", "is not a SELECT: DROP TABLE t"),
        ("SELECT 1;\nSET GLOBAL x = 1;", "is not a SELECT: SET GLOBAL"),
        ("SELECT '" + "x" * MOST_BYTES + "'", "longer than 64 KiB"),
    ],
)
def test_what_does_more_than_read_is_refused(text: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        parse_own_checks(text)


class Answers:
    """A connection that answers each statement with a row, or an error."""

    def __init__(self, answer: object) -> None:
        self.answer, self.asked = answer, list[str]()

    def cursor(self, kind: object = None) -> Answers:
        return self

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, statement: str) -> None:
        self.asked.append(statement)
        if isinstance(self.answer, Exception) and statement.startswith("SELECT"):
            raise self.answer

    def fetchone(self) -> object:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "passed", "found"),
    [
        ((1,), True, "1"),
        ((Decimal("0.5"),), True, "0.5"),
        (("yes", None), True, "yes"),
        ((b"\x31",), True, "1"),
        ((0,), False, "0"),
        ((Decimal(0),), False, "0"),
        (("0",), False, "0"),
        ((b"",), False, ""),
        ((None,), False, "NULL"),
        (None, False, "no row"),
        (pymysql.err.ProgrammingError(1146, "no such table"), False, "no such table"),
    ],
)
def test_only_a_true_first_column_passes(answer: object, passed: bool, found: str) -> None:
    connection = Answers(answer)
    (checked,) = run_own_checks(cast("Connection[Any]", connection), ["SELECT a"])
    assert (checked.passed, checked.found, checked.statement) == (passed, found, "SELECT a")
    # Nothing can be written, whatever a function in it does.
    assert connection.asked[0] == "SET SESSION TRANSACTION READ ONLY"


def test_a_lost_connection_is_no_answer() -> None:
    lost = Answers(pymysql.err.OperationalError(2013, "lost"))
    with pytest.raises(pymysql.err.OperationalError):
        list(run_own_checks(cast("Connection[Any]", lost), ["SELECT a"]))
