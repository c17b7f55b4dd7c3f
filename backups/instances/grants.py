"""Which privileges does a backup need, and which are missing?

Pure functions of what SHOW GRANTS answered. Needed is what the tool was seen to need: with
one of these taken away a backup ends in an error, with nothing more than these it succeeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from backups.programs.compatibility import CLONE, MARIADB_BACKUP

# The name used today first, then whatever does as well: older names and wider privileges.
NEEDED: Mapping[str, frozenset[str]] = {
    "RELOAD": frozenset({"RELOAD"}),
    "PROCESS": frozenset({"PROCESS"}),
    "BINLOG MONITOR": frozenset({"BINLOG MONITOR", "REPLICATION CLIENT", "SUPER"}),
}
# A clone needs one; ALL PRIVILEGES would do, but MySQL spells those out one by one.
NEEDED_TO_CLONE: Mapping[str, frozenset[str]] = {"BACKUP_ADMIN": frozenset({"BACKUP_ADMIN"})}
# What reading tables by SELECT takes, each locked meanwhile.
NEEDED_TO_READ: Mapping[str, frozenset[str]] = {
    "SELECT": frozenset({"SELECT"}),
    "LOCK TABLES": frozenset({"LOCK TABLES"}),
}
# Where a server keeps which plugins it loads: who may insert there may install one.
PLUGIN_TABLE = "mysql.plugin"
WHY: Mapping[str, str] = {
    "BACKUP_ADMIN": "takes a clone",
    "RELOAD": "locks the end of the copy",
    "PROCESS": "reads InnoDB's status",
    "BINLOG MONITOR": "reads the binlog position",
}
_GLOBAL = re.compile(r"GRANT (?P<privileges>.+) ON \*\.\* TO ", re.IGNORECASE)
_SCOPED = re.compile(r"GRANT (?P<privileges>.+) ON (?P<scope>\S+) TO ", re.IGNORECASE)
_ROLE = re.compile(r"GRANT (?P<role>[`'\"].+?[`'\"]|[^ ,]+) TO ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Grants:
    """What an account may do everywhere, and on what it may do more."""

    # user@host as the server matched it.
    account: str
    privileges: frozenset[str] = frozenset()
    roles: tuple[str, ...] = ()
    # A privilege and where it holds: ``mysql.*``, ``mysql.plugin``.
    scoped: frozenset[tuple[str, str]] = frozenset()

    @property
    def everything(self) -> bool:
        return "ALL PRIVILEGES" in self.privileges


def parse_grants(account: str, lines: Iterable[str]) -> Grants:
    """Read the lines of SHOW GRANTS; privileges of roles count when the role is active."""
    privileges: set[str] = set()
    roles: list[str] = []
    scoped: set[tuple[str, str]] = set()
    for line in lines:
        if found := _GLOBAL.match(line):
            privileges |= _words(found["privileges"])
        elif found := _SCOPED.match(line):
            scope = found["scope"].replace("`", "")
            scoped |= {(word, scope) for word in _words(found["privileges"])}
        elif found := _ROLE.match(line):
            roles.append(found["role"].strip("`'\""))
    return Grants(account, frozenset(privileges - {"USAGE"}), tuple(roles), frozenset(scoped))


def needed_by(engine: str) -> Mapping[str, frozenset[str]]:
    """Return what an engine needs, by the name used today and what does as well."""
    return NEEDED_TO_CLONE if engine == CLONE else NEEDED


def missing_privileges(grants: Grants, needed: Mapping[str, frozenset[str]] = NEEDED) -> list[str]:
    """Name what the account lacks for a backup."""
    if grants.everything:
        return []
    return [name for name, enough in needed.items() if not enough & grants.privileges]


def may_install_plugins(grants: Grants) -> bool:
    """Whether INSTALL PLUGIN would be let through, as far as the grants tell."""
    if grants.everything or "INSERT" in grants.privileges:
        return True
    wide_enough = {"mysql.*", PLUGIN_TABLE}
    return any(
        privilege in {"INSERT", "ALL PRIVILEGES"} and scope in wide_enough
        for privilege, scope in grants.scoped
    )


def grant_statement(account: str, privileges: Iterable[str], on: str = "*.*") -> str:
    """Return the statement that gives ``account`` the privileges, to be pasted as it is."""
    return f"GRANT {', '.join(privileges)} ON {on} TO {quoted_account(account)};"


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


def _words(privileges: str) -> set[str]:
    return {word.strip().upper() for word in privileges.split(",")}


def quoted_account(account: str) -> str:
    """Quote user@host; the host is what follows the last @."""
    user, _, host = account.rpartition("@")
    return "@".join(f"`{part.replace('`', '``')}`" for part in (user, host or "%"))
