"""Privileges as servers print them, and what is missing from them."""

from __future__ import annotations

import pytest

from backups.instances.grants import (
    create_statements,
    grant_statement,
    may_install_plugins,
    missing_privileges,
    needed_by,
    parse_grants,
)

PUBLIC = "GRANT SELECT, LOCK TABLES, DELETE HISTORY ON `test`.* TO PUBLIC"


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        (["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"], []),
        (["GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO `b`@`%` IDENTIFIED BY ..."], []),
        (["GRANT RELOAD, PROCESS, REPLICATION CLIENT ON *.* TO 'b'@'%'"], []),
        (["GRANT RELOAD, PROCESS, SUPER ON *.* TO `b`@`%`"], []),
        (["GRANT PROCESS, BINLOG MONITOR ON *.* TO `b`@`%`"], ["RELOAD"]),
        (["GRANT RELOAD, BINLOG MONITOR ON *.* TO `b`@`%`"], ["PROCESS"]),
        (["GRANT RELOAD, PROCESS ON *.* TO `b`@`%`"], ["BINLOG MONITOR"]),
        (["GRANT USAGE ON *.* TO `b`@`%`", PUBLIC], ["RELOAD", "PROCESS", "BINLOG MONITOR"]),
        # Everything on one schema is nothing for a backup.
        (
            ["GRANT ALL PRIVILEGES ON `shop`.* TO `b`@`%`"],
            ["RELOAD", "PROCESS", "BINLOG MONITOR"],
        ),
        # An active role: the server prints its privileges too.
        (["GRANT `r` TO `b`@`%`", "GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO `r`"], []),
    ],
)
def test_missing_privileges(lines: list[str], missing: list[str]) -> None:
    assert missing_privileges(parse_grants("b@%", lines)) == missing


def test_it_names_roles_and_takes_no_privilege_for_one() -> None:
    grants = parse_grants(
        "b@%", ["GRANT `backup role` TO `b`@`%`", "GRANT USAGE ON *.* TO `b`@`%`"]
    )
    assert grants.roles == ("backup role",)
    assert grants.privileges == frozenset()


@pytest.mark.parametrize(
    ("account", "quoted"),
    [
        ("bk@localhost", "`bk`@`localhost`"),
        ("odd@name@10.0.0.%", "`odd@name`@`10.0.0.%`"),
        ("b`k@%", "`b``k`@`%`"),
    ],
)
def test_a_statement_can_be_pasted_as_it_is(account: str, quoted: str) -> None:
    assert grant_statement(account, ["RELOAD", "PROCESS"]) == (
        f"GRANT RELOAD, PROCESS ON *.* TO {quoted};"
    )


def test_a_new_user_gets_everything_needed() -> None:
    assert create_statements("bk", "10.0.0.7") == [
        "CREATE USER `bk`@`10.0.0.7` IDENTIFIED BY '...';",
        "GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO `bk`@`10.0.0.7`;",
    ]


def test_rocksdb_needs_more() -> None:
    plain = parse_grants("b@%", ["GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO `b`@`%`"])
    for rocksdb, missing in ((False, []), (True, ["SUPER"])):
        needed = needed_by("mariadb_backup", rocksdb=rocksdb)
        assert missing_privileges(plain, needed) == missing


def test_what_a_clone_needs() -> None:
    needed = needed_by("clone")
    both = parse_grants(
        "b@%", ["GRANT PROCESS ON *.* TO `b`@`%`", "GRANT BACKUP_ADMIN ON *.* TO b"]
    )
    assert missing_privileges(both, needed) == []
    assert missing_privileges(parse_grants("b@%", []), needed) == ["BACKUP_ADMIN"]
    assert create_statements("bk", "10.0.0.7", "clone") == [
        "CREATE USER `bk`@`10.0.0.7` IDENTIFIED BY '...';",
        "GRANT BACKUP_ADMIN ON *.* TO `bk`@`10.0.0.7`;",
    ]


@pytest.mark.parametrize(
    ("line", "may"),
    [
        ("GRANT ALL PRIVILEGES ON *.* TO `b`@`%`", True),
        ("GRANT SELECT, INSERT ON *.* TO `b`@`%`", True),
        ("GRANT INSERT ON `mysql`.* TO `b`@`%`", True),
        ("GRANT ALL PRIVILEGES ON `mysql`.* TO `b`@`%`", True),
        ("GRANT INSERT ON `mysql`.`plugin` TO `b`@`%`", True),
        ("GRANT SELECT ON `mysql`.`plugin` TO `b`@`%`", False),
        ("GRANT INSERT ON `mysql`.`db` TO `b`@`%`", False),
        ("GRANT INSERT ON `shop`.* TO `b`@`%`", False),
    ],
)
def test_who_may_install_a_plugin(line: str, may: bool) -> None:
    assert may_install_plugins(parse_grants("b@%", [line])) is may


def test_while_nobody_knows_whose_server_it_is_both_are_named() -> None:
    _, mariadb, mysql = create_statements("bk", "h", "")
    assert mariadb.startswith("On MariaDB: GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO ")
    assert mysql == "On MySQL: GRANT BACKUP_ADMIN ON *.* TO `bk`@`h`;"
