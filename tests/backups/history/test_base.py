from __future__ import annotations

import pytest

from backups.history import READERS
from backups.history.base import number, redact
from backups.history.xtrabackup import parse_coordinates
from backups.models.instance import HistoryTool


def test_every_tool_has_a_reader() -> None:
    assert set(READERS) == set(HistoryTool.values) - {""}


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (
            "mysqlbackup --user=a --password=s3cret backup",
            "mysqlbackup --user=a --password=… backup",
        ),
        ("x --password s3cret -h db", "x --password … -h db"),
        ("x -ps3cret", "x -p…"),
        ("x --encrypt-key='a b' y", "x --encrypt-key=… y"),
        ("x --cloud-secret-key=zz --key=00ff", "x --cloud-secret-key=… --key=…"),
        ("x --encrypt-password=k --port=3306", "x --encrypt-password=… --port=3306"),
        ("x --parallel=4 --stream=xbstream", "x --parallel=4 --stream=xbstream"),
    ],
)
def test_no_secret_of_a_command_line_is_kept(command: str, shown: str) -> None:
    assert redact(command) == shown


@pytest.mark.parametrize(
    ("value", "found"), [(5, 5), ("7", 7), (-1, None), (None, None), ("", None), (b"9", None)]
)
def test_a_number_or_unknown(value: object, found: int | None) -> None:
    assert number(value) == found


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("filename 'b.000003', position '1234'", ("b.000003", 1234, "")),
        (
            "filename 'b.000003', position '1234', GTID of the last change '0-1-5'",
            ("b.000003", 1234, "0-1-5"),
        ),
        (
            "filename 'b.1', position '4', GTID of the last change 'u:1-5,\nv:1-9'",
            ("b.1", 4, "u:1-5,\nv:1-9"),
        ),
        ("", ("", None, "")),
        ("nothing of that kind", ("", None, "")),
    ],
)
def test_coordinates(said: str, found: tuple[str, int | None, str]) -> None:
    assert parse_coordinates(said) == found
