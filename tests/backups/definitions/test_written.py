"""Passwords in definitions of tables on other servers."""

from __future__ import annotations

import pytest

from backups.definitions.written import without_passwords


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("CONNECTION='mysql://me:s3cret@db:3306/a/b'", "CONNECTION='mysql://me:***@db:3306/a/b'"),
        ("COMMENT='password \"s3cret\"'", "COMMENT='password '***''"),
        ("`password` varchar(20) DEFAULT NULL", "`password` varchar(20) DEFAULT NULL"),
        ("OPTION_LIST='user=a,password=s3cret'", "OPTION_LIST='user=a,password='***''"),
        ("CONNECTION='DSN=x;PWD=s3cret'", "CONNECTION='DSN=x;PWD='***''"),
        ("CONNECTION='mysql://u:s3\"c@h/db'", "CONNECTION='mysql://u:***@h/db'"),
        ("CONNECTION='mysql://db/a'", "CONNECTION='mysql://db/a'"),
    ],
)  # fmt: skip
def test_passwords_are_not_shown(sql: str, shown: str) -> None:
    assert without_passwords(sql) == shown
