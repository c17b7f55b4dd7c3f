"""Which privileges does a backup need, and which are missing?

Pure functions of what SHOW GRANTS answered. Needed is what the tool was seen to need: with
one of these taken away a backup ends in an error, with nothing more than these it succeeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from backups.compatibility import CLONE, MARIADB_BACKUP

# The name used today first, then whatever does as well: older names and wider privileges.
NEEDED: Mapping[str, frozenset[str]] = {
    "RELOAD": frozenset({"RELOAD"}),
    "PROCESS": frozenset({"PROCESS"}),
    "BINLOG MONITOR": frozenset({"BINLOG MONITOR", "REPLICATION CLIENT", "SUPER"}),
}
# A clone needs one; ALL PRIVILEGES would do, but MySQL spells those out one by one.
NEEDED_TO_CLONE: Mapping[str, frozenset[str]] = {"BACKUP_ADMIN": frozenset({"BACKUP_ADMIN"})}
WHY: Mapping[str, str] = {
    "BACKUP_ADMIN": "takes a clone",
    "RELOAD": "locks the end of the copy",
    "PROCESS": "reads InnoDB's status",
    "BINLOG MONITOR": "reads the binlog position",
}
_GLOBAL = re.compile(r"GRANT (?P<privileges>.+) ON \*\.\* TO ", re.IGNORECASE)
_ROLE = re.compile(r"GRANT (?P<role>[`'\"].+?[`'\"]|[^ ,]+) TO ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Grants:
    """What an account may do everywhere."""

    # user@host as the server matched it.
    account: str
    privileges: frozenset[str] = frozenset()
    roles: tuple[str, ...] = ()

    @property
    def everything(self) -> bool:
        return "ALL PRIVILEGES" in self.privileges


def parse_grants(account: str, lines: Iterable[str]) -> Grants:
    """Read the lines of SHOW GRANTS; privileges of roles count when the role is active."""
    privileges: set[str] = set()
    roles: list[str] = []
    for line in lines:
        if found := _GLOBAL.match(line):
            privileges |= {word.strip().upper() for word in found["privileges"].split(",")}
        elif found := _ROLE.match(line):
            roles.append(found["role"].strip("`'\""))
    return Grants(account, frozenset(privileges - {"USAGE"}), tuple(roles))


def needed_by(engine: str) -> Mapping[str, frozenset[str]]:
    """Return what an engine needs, by the name used today and what does as well."""
    return NEEDED_TO_CLONE if engine == CLONE else NEEDED


def missing_privileges(grants: Grants, needed: Mapping[str, frozenset[str]] = NEEDED) -> list[str]:
    """Name what the account lacks for a backup."""
    if grants.everything:
        return []
    return [name for name, enough in needed.items() if not enough & grants.privileges]


def grant_statement(account: str, privileges: Iterable[str]) -> str:
    """Return the statement that gives ``account`` the privileges, to be pasted as it is."""
    return f"GRANT {', '.join(privileges)} ON *.* TO {quoted_account(account)};"


def create_statements(user: str, host: str, engine: str = MARIADB_BACKUP) -> list[str]:
    """Return the statements that make a backup user. The password is the reader's to fill in.

    Without an engine: what MariaDB needs and what MySQL needs, each said to be so.
    """
    account = f"{user}@{host}"
    create = f"CREATE USER {quoted_account(account)} IDENTIFIED BY '...';"
    if engine:
        return [create, grant_statement(account, needed_by(engine))]
    return [
        create,
        f"On MariaDB: {grant_statement(account, NEEDED)}",
        f"On MySQL: {grant_statement(account, NEEDED_TO_CLONE)}",
    ]


def quoted_account(account: str) -> str:
    """Quote user@host; the host is what follows the last @."""
    user, _, host = account.rpartition("@")
    return "@".join(f"`{part.replace('`', '``')}`" for part in (user, host or "%"))
