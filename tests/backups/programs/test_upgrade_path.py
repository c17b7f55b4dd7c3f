"""Which upgrades can be rehearsed, and why not the others?"""

from __future__ import annotations

import pytest

from backups.checks import Verdict
from backups.programs.compatibility import MARIADB, MYSQL, parse_version
from backups.programs.upgrade_path import can_upgrade

ONE_SERIES = "is not an upgrade: they are of one series"


@pytest.mark.parametrize(
    ("origin", "to", "refusal"),
    [
        ((MARIADB, "10.11.6"), (MARIADB, "11.8.3"), ""),
        ((MARIADB, "10.6.1"), (MARIADB, "12.3.1"), ""),
        ((MARIADB, "10.11.6"), (MARIADB, "10.11.14"), ONE_SERIES),
        ((MARIADB, "11.8.3"), (MARIADB, "10.11.14"), "is a downgrade"),
        ((MARIADB, "10.11.6"), (MYSQL, "9.7.4"), "is no upgrade but another product"),
        ((MYSQL, "8.4.3"), (MARIADB, "11.8.3"), "is no upgrade but another product"),
        ((MYSQL, "8.0.37"), (MYSQL, "8.4.3"), ""),
        ((MYSQL, "8.1.0"), (MYSQL, "8.4.3"), ""),
        ((MYSQL, "8.4.3"), (MYSQL, "9.2.0"), ""),
        ((MYSQL, "8.4.3"), (MYSQL, "9.7.4"), ""),
        ((MYSQL, "9.2.0"), (MYSQL, "9.7.4"), ""),
        ((MYSQL, "8.0.37"), (MYSQL, "9.2.0"), "passes over 8.4"),
        ((MYSQL, "8.0.37"), (MYSQL, "9.7.4"), "passes over 8.4"),
        ((MYSQL, "8.4.3"), (MYSQL, "10.1.0"), "passes over 9.7"),
        ((MYSQL, "9.7.3"), (MYSQL, "9.7.4"), ONE_SERIES),
        ((MYSQL, "9.7.4"), (MYSQL, "5.7.29"), "is a downgrade"),
        ((MYSQL, "8.4.3"), (MYSQL, "8.0.40"), "is a downgrade"),
        ((MYSQL, "5.7.29"), (MYSQL, "8.0.37"), "is found by MySQL's own checker"),
    ],
)
def test_every_path(origin: tuple[str, str], to: tuple[str, str], refusal: str) -> None:
    releases = [parse_version(origin[1]), parse_version(to[1])]
    ruling = can_upgrade(origin[0], releases[0], to[0], releases[1])  # type: ignore[arg-type]
    assert refusal in ruling.reason
    assert ruling.verdict is (Verdict.FAILED if refusal else Verdict.OK)
    assert bool(ruling.hint) is bool(refusal)
