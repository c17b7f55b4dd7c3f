"""Which tool can back up and restore which server?

Pure: versions in, verdicts out. The rule for mariadb-backup: it comes with the server and
understands the redo log and the DDL log of its own series, so tool and server must be of
one series (10.11, 11.4 …), and the tool must not be the older of the two. A restore needs
the same of the server that is started on the files. MySQL is cloned, without a tool; which
server can start on a clone follows its own rule. A server that is not known is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from backups.checks import Verdict

MARIADB, MYSQL = "mariadb", "mysql"
MARIADB_BACKUP, CLONE = "mariadb_backup", "clone"
OLDEST_SERIES = (10, 6)
# Later majors are accepted with a warning: they have not been tested.
NEWEST_MAJOR = 12
LONG_TERM = frozenset({(10, 6), (10, 11), (11, 4), (11, 8), (12, 3)})
# The clone protocol of MySQL, and the series it is known to be the same in.
FIRST_CLONE = (8, 0, 17)
CLONE_SERIES = frozenset({(8, 0), (8, 4)})
CLONE_MAJORS = frozenset({9})
MYSQL_LONG_TERM = frozenset({(8, 4), (9, 7)})
# From here on releases of 8.0 read each other's files.
FIRST_EXCHANGEABLE = (8, 0, 37)
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
# Other servers that speak MySQL's protocol.
_OTHER_SERVERS = ("tidb", "oceanbase", "vitess", "proxysql", "singlestore")


class Version(NamedTuple):
    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def series(self) -> tuple[int, int]:
        return self.major, self.minor

    @property
    def series_name(self) -> str:
        """The name of the series: ``10.11 LTS``, ``11.7 rolling``."""
        term = "LTS" if self.series in LONG_TERM else "rolling"
        return f"{self.major}.{self.minor} {term}"


@dataclass(frozen=True, slots=True)
class Compatibility:
    """Whether two releases fit, why, and a hint if they do not."""

    verdict: Verdict
    reason: str
    hint: str = ""


def parse_version(text: str) -> Version | None:
    """Parse the first three-part version in ``text``; None if there is none."""
    match = _VERSION.search(text)
    return Version(*map(int, match.groups())) if match else None


def decide_flavour(version: str, comment: str) -> str:
    """Return the product of a server that reports these; blank if it is unknown."""
    text = f"{version} {comment}".lower()
    if parse_version(version) is None or any(name in text for name in _OTHER_SERVERS):
        return ""
    return MARIADB if "mariadb" in text else MYSQL


def can_back_up(engine: str, flavour: str, version: Version | None) -> Compatibility:
    """Decide whether ``engine`` can copy such a server."""
    if engine not in (MARIADB_BACKUP, CLONE):
        return Compatibility(Verdict.FAILED, f"no engine is called {engine}")
    if flavour not in (MARIADB, MYSQL) or version is None:
        return Compatibility(
            Verdict.FAILED,
            "the server is neither MariaDB nor MySQL",
            "Point the instance at the database server itself, not at a proxy.",
        )
    if engine == CLONE:
        return _clone_ruling(flavour, version)
    if flavour == MYSQL:
        return Compatibility(
            Verdict.FAILED,
            f"mariadb-backup cannot copy MySQL {version}",
            f"Set the instance's engine to {CLONE}.",
        )
    return _mariadb_ruling(version)


def _clone_ruling(flavour: str, version: Version) -> Compatibility:
    if flavour == MARIADB:
        return Compatibility(
            Verdict.FAILED,
            f"MariaDB {version} cannot be cloned",
            f"Set the instance's engine to {MARIADB_BACKUP}.",
        )
    if version < FIRST_CLONE:
        return Compatibility(
            Verdict.FAILED,
            f"MySQL {version} is too old: servers can be cloned from 8.0.17 on",
            "Upgrade the server: its series is no longer maintained.",
        )
    if version.series not in CLONE_SERIES and version.major not in CLONE_MAJORS:
        return Compatibility(
            Verdict.FAILED,
            f"{mysql_name(version)} cannot be cloned by this version of Mooring",
            "Supported are 8.0 from 8.0.17 on, 8.4 and 9.x.",
        )
    return Compatibility(Verdict.OK, mysql_name(version))


def mysql_name(version: Version) -> str:
    """Return the name of a MySQL release: ``MySQL 9.7.4 (9.7 LTS)``."""
    if version.series <= (8, 0):
        return f"MySQL {version}"
    term = "LTS" if version.series in MYSQL_LONG_TERM else "Innovation"
    return f"MySQL {version} ({version.major}.{version.minor} {term})"


def can_start_mysql_on(server: Version, backup_of: Version) -> Compatibility:
    """Decide whether this MySQL server can be started on a clone of another."""
    names = f"{mysql_name(server)} cannot start on a copy of {mysql_name(backup_of)}"
    if server == backup_of:
        return Compatibility(Verdict.OK, f"{mysql_name(server)}, as the server that was backed up")
    if server.series != backup_of.series:
        series = f"{backup_of.major}.{backup_of.minor}"
        return Compatibility(
            Verdict.FAILED,
            f"{names}: they must be of one series",
            f"Give a mysqld {series} with --mysqld PATH.",
        )
    if server.series == (8, 0) and min(server, backup_of) < FIRST_EXCHANGEABLE:
        return Compatibility(
            Verdict.FAILED,
            f"{names}: below 8.0.37 it must be the very same release",
            f"Give a mysqld {backup_of} with --mysqld PATH.",
        )
    return Compatibility(Verdict.OK, f"{mysql_name(server)} fits {backup_of}")


def _mariadb_ruling(version: Version) -> Compatibility:
    if version.series < OLDEST_SERIES:
        oldest = ".".join(map(str, OLDEST_SERIES))
        return Compatibility(
            Verdict.FAILED,
            f"MariaDB {version} is too old; mariadb-backup is used from {oldest} on",
            "Upgrade the server: its series is no longer maintained.",
        )
    if version.major > NEWEST_MAJOR:
        return Compatibility(
            Verdict.WARNING,
            f"MariaDB {version} ({version.series_name}) is newer than this version of Mooring",
            "Run a restore test of the first backup before you rely on it.",
        )
    return Compatibility(Verdict.OK, f"MariaDB {version} ({version.series_name})")


def can_copy_with(tool: Version, server: Version) -> Compatibility:
    """Decide whether this release of mariadb-backup can copy this MariaDB server."""
    return _matched("mariadb-backup", tool, "the server", server)


def can_prepare_with(tool: Version, taken_with: Version) -> Compatibility:
    """Decide whether this release of mariadb-backup can prepare a backup another one took."""
    return _matched("mariadb-backup", tool, "the tool that took the backup", taken_with)


def can_start_on(server: Version, backup_of: Version) -> Compatibility:
    """Decide whether this MariaDB server can be started on a restored backup of another."""
    return _matched("the server", server, "the server that was backed up", backup_of)


def _matched(user: str, used: Version, other: str, origin: Version) -> Compatibility:
    if used.series != origin.series:
        return Compatibility(
            Verdict.FAILED,
            f"{user} is {used}, {other} is {origin}: they must be of one series",
            f"Install {user.removeprefix('the ')} {origin.major}.{origin.minor} on this host.",
        )
    if used.patch < origin.patch:
        return Compatibility(
            Verdict.FAILED,
            f"{user} is {used}, older than {other}, {origin}",
            f"Upgrade {user.removeprefix('the ')} to {origin} or later in its series.",
        )
    return Compatibility(Verdict.OK, f"{user} {used} fits {other}, {origin}")
