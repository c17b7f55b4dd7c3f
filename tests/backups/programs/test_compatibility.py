"""Which tool fits which server: every edge of the rule."""

from __future__ import annotations

import pytest

from backups.checks import Verdict
from backups.programs.compatibility import (
    Version,
    can_back_up,
    can_copy_with,
    can_prepare_with,
    can_start_mysql_on,
    can_start_on,
    decide_flavour,
    parse_version,
)

OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("10.11.19-MariaDB-0+deb12u1-log", (10, 11, 19)),
        ("10.6.17-13-MariaDB-enterprise-log", (10, 6, 17)),
        ("8.0.36-28", (8, 0, 36)),
        (
            "mariadb-backup based on MariaDB server 10.11.19-MariaDB debian-linux-gnu (x86_64)",
            (10, 11, 19),
        ),
        ("10.11", None),
        ("", None),
    ],
)
def test_versions(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("version", "comment", "flavour"),
    [
        ("10.11.19-MariaDB-0+deb12u1-log", "Debian 12", "mariadb"),
        ("11.4.2", "MariaDB Server", "mariadb"),
        ("9.7.4-2", "(Debian)", "mysql"),
        ("8.0.36-28", "Percona Server (GPL), Release 28", "mysql"),
        ("8.0.11-TiDB-v7.5.0", "TiDB Server, MySQL 8.0 compatible", ""),
        ("whatever", "", ""),
    ],
)
def test_flavours(version: str, comment: str, flavour: str) -> None:
    assert decide_flavour(version, comment) == flavour


@pytest.mark.parametrize(
    ("flavour", "version", "verdict", "word"),
    [
        ("mariadb", Version(10, 5, 29), FAILED, "10.5.29 is too old"),
        ("mariadb", Version(10, 6, 0), OK, "10.6 LTS"),
        ("mariadb", Version(10, 7, 1), OK, "10.7 rolling"),
        ("mariadb", Version(10, 11, 19), OK, "10.11 LTS"),
        ("mariadb", Version(11, 4, 2), OK, "11.4 LTS"),
        ("mariadb", Version(11, 8, 6), OK, "11.8 LTS"),
        ("mariadb", Version(12, 1, 0), OK, "12.1 rolling"),
        ("mariadb", Version(13, 0, 1), WARNING, "newer than this version of Mooring"),
        ("mysql", Version(8, 4, 2), FAILED, "cannot copy MySQL 8.4.2"),
        ("", Version(10, 11, 1), FAILED, "neither MariaDB nor MySQL"),
        ("mariadb", None, FAILED, "neither MariaDB nor MySQL"),
    ],
)
def test_servers(flavour: str, version: Version | None, verdict: Verdict, word: str) -> None:
    ruling = can_back_up("mariadb_backup", flavour, version)
    assert ruling.verdict is verdict
    assert word in ruling.reason
    assert bool(ruling.hint) == (verdict is not OK)


@pytest.mark.parametrize(
    ("flavour", "version", "verdict", "words"),
    [
        ("mysql", Version(5, 7, 44), FAILED, "MySQL 5.7.44 is too old"),
        ("mysql", Version(8, 0, 16), FAILED, "from 8.0.17 on"),
        ("mysql", Version(8, 0, 17), OK, "MySQL 8.0.17"),
        ("mysql", Version(8, 1, 0), FAILED, "MySQL 8.1.0 (8.1 Innovation) cannot be cloned"),
        ("mysql", Version(8, 3, 0), FAILED, "cannot be cloned by this version"),
        ("mysql", Version(8, 4, 0), OK, "MySQL 8.4.0 (8.4 LTS)"),
        ("mysql", Version(9, 0, 1), OK, "MySQL 9.0.1 (9.0 Innovation)"),
        ("mysql", Version(9, 7, 4), OK, "MySQL 9.7.4 (9.7 LTS)"),
        ("mysql", Version(10, 0, 0), FAILED, "cannot be cloned by this version"),
        ("mariadb", Version(10, 11, 19), FAILED, "MariaDB 10.11.19 cannot be cloned"),
        ("", Version(9, 7, 4), FAILED, "neither MariaDB nor MySQL"),
        ("mysql", None, FAILED, "neither MariaDB nor MySQL"),
    ],
)
def test_what_can_be_cloned(
    flavour: str, version: Version | None, verdict: Verdict, words: str
) -> None:
    ruling = can_back_up("clone", flavour, version)
    assert ruling.verdict is verdict
    assert words in ruling.reason
    assert bool(ruling.hint) == (verdict is not OK)


@pytest.mark.parametrize(
    ("server", "backup_of", "verdict"),
    [
        ((8, 0, 30), (8, 0, 30), OK),
        ((8, 0, 31), (8, 0, 30), FAILED),
        ((8, 0, 37), (8, 0, 36), FAILED),
        ((8, 0, 36), (8, 0, 37), FAILED),
        ((8, 0, 42), (8, 0, 37), OK),
        ((8, 0, 37), (8, 0, 42), OK),
        ((8, 4, 0), (8, 0, 42), FAILED),
        ((8, 4, 3), (8, 4, 0), OK),
        ((8, 4, 0), (8, 4, 3), OK),
        ((9, 7, 4), (9, 6, 0), FAILED),
        ((9, 7, 5), (9, 7, 4), OK),
    ],
)
def test_which_mysql_starts_on_a_clone(
    server: tuple[int, int, int], backup_of: tuple[int, int, int], verdict: Verdict
) -> None:
    ruling = can_start_mysql_on(Version(*server), Version(*backup_of))
    assert ruling.verdict is verdict
    assert bool(ruling.hint) == (verdict is FAILED)


def test_an_unknown_engine_is_refused() -> None:
    ruling = can_back_up("mydumper", "mariadb", Version(10, 11, 1))
    assert ruling.verdict is FAILED
    assert ruling.reason == "no engine is called mydumper"


@pytest.mark.parametrize("rule", [can_copy_with, can_prepare_with, can_start_on])
@pytest.mark.parametrize(
    ("used", "origin", "verdict"),
    [
        ((10, 11, 19), (10, 11, 19), OK),
        ((10, 11, 20), (10, 11, 19), OK),
        ((10, 11, 18), (10, 11, 19), FAILED),
        ((11, 4, 19), (10, 11, 19), FAILED),
        ((10, 6, 19), (10, 11, 19), FAILED),
        ((10, 11, 99), (11, 11, 1), FAILED),
    ],
)
def test_tool_and_server_of_one_series(
    rule: type, used: tuple[int, int, int], origin: tuple[int, int, int], verdict: Verdict
) -> None:
    ruling = rule(Version(*used), Version(*origin))
    assert ruling.verdict is verdict
    assert str(Version(*used)) in ruling.reason
    assert str(Version(*origin)) in ruling.reason
