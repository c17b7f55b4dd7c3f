"""Can a server of one release be upgraded to another at once? Versions in, a ruling out.

MariaDB upgrades from any older series to any newer one. MySQL upgrades to the next long-term series
and to the innovation releases before it, and to none behind that.
"""

from __future__ import annotations

from backups.checks import Verdict
from backups.programs.compatibility import (
    MARIADB,
    MYSQL,
    Compatibility,
    Version,
    mysql_name,
)

# Those that an upgrade may not pass over, the oldest first.
MYSQL_BRIDGES = ((8, 0), (8, 4), (9, 7))
FIRST_MYSQL = (8, 0)
_NAMES = {MARIADB: "MariaDB", MYSQL: "MySQL"}


def can_upgrade(
    origin_flavour: str, origin: Version, flavour: str, version: Version
) -> Compatibility:
    """Decide whether a backup of ``origin`` can be upgraded by a server of ``version``."""
    names = f"{server_name(origin_flavour, origin)} to {server_name(flavour, version)}"
    if origin_flavour != flavour:
        return _refused(
            f"{names} is no upgrade but another product",
            "Dump the schemas and load them there: neither product opens the other's files.",
        )
    if origin.series == version.series:
        return _refused(
            f"{names} is not an upgrade: they are of one series",
            "A restore test starts a server of the backup's own series: testrestore LABEL.",
        )
    if version < origin:
        return _refused(
            f"{names} is a downgrade, which no server of that age can do in place",
            "Give a server program of a newer series.",
        )
    if flavour == MYSQL:
        return _mysql_ruling(origin, version, names)
    return Compatibility(Verdict.OK, f"{names}")


def server_name(flavour: str, version: Version) -> str:
    """Return how a release is called: ``MariaDB 11.8.3``."""
    return f"{_NAMES.get(flavour, 'an unknown server')} {version}"


def _mysql_ruling(origin: Version, version: Version, names: str) -> Compatibility:
    if origin.series < FIRST_MYSQL:
        return _refused(
            f"{names} is not rehearsed: what has to be changed in a MySQL {origin.major}."
            f"{origin.minor} is found by MySQL's own checker, on the running server",
            "Run util.checkForServerUpgrade() of MySQL Shell on it; Mooring takes backups from "
            "8.0.17 on.",
        )
    between = [series for series in MYSQL_BRIDGES if origin.series < series < version.series]
    if between:
        major, minor = between[0]
        return _refused(
            f"{names} passes over {major}.{minor}, which MySQL does not support",
            f"Rehearse the upgrade to {major}.{minor} first.",
        )
    return Compatibility(Verdict.OK, f"{mysql_name(origin)} to {mysql_name(version)}")


def _refused(reason: str, hint: str) -> Compatibility:
    return Compatibility(Verdict.FAILED, reason, hint)
