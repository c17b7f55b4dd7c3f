"""Which tool fits which server: every edge of the rule."""

from __future__ import annotations

import pytest

from backups.checks import Verdict
from backups.compatibility import (
    Version,
    can_back_up,
    can_copy_with,
    can_prepare_with,
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


def test_an_unknown_engine_is_refused() -> None:
    ruling = can_back_up("mydumper", "mariadb", Version(10, 11, 1))
    assert ruling.verdict is FAILED
    assert ruling.reason == "there is no engine called mydumper"


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
