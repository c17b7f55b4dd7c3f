"""Which privileges does a backup need, and which are missing?

Pure functions of the result of SHOW GRANTS. The needed privileges were found by tests: without any
one of them a backup fails, with no more than them it succeeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from backups.programs.compatibility import CLONE, MARIADB_BACKUP

# The current name, and what is also sufficient: older names and wider privileges.
NEEDED: Mapping[str, frozenset[str]] = {
    "RELOAD": frozenset({"RELOAD"}),
    "PROCESS": frozenset({"PROCESS"}),
    "BINLOG MONITOR": frozenset({"BINLOG MONITOR", "REPLICATION CLIENT", "SUPER"}),
}
# Where the server has the engine ROCKSDB: the copying tool sets a variable of that engine.
NEEDED_FOR_ROCKSDB: Mapping[str, frozenset[str]] = {"SUPER": frozenset({"SUPER"})}
# A clone needs one. ALL PRIVILEGES includes it, but MySQL lists those one by one.
NEEDED_TO_CLONE: Mapping[str, frozenset[str]] = {"BACKUP_ADMIN": frozenset({"BACKUP_ADMIN"})}
# For saving tables by SELECT, each locked while it is read.
NEEDED_TO_READ: Mapping[str, frozenset[str]] = {
    "SELECT": frozenset({"SELECT"}),
    "LOCK TABLES": frozenset({"LOCK TABLES"}),
}
# For receiving binlogs as a replica does, and for asking how far the source is.
NEEDED_TO_ARCHIVE: Mapping[str, frozenset[str]] = {
    "REPLICATION SLAVE": frozenset({"REPLICATION SLAVE", "REPLICATION REPLICA"}),
    "REPLICATION CLIENT": frozenset({"BINLOG MONITOR", "REPLICATION CLIENT", "SUPER"}),
}
# For seeing every table, key and foreign key, and no row. Without a privilege on a table the server
# answers as if it were not there; with SELECT alone, MariaDB as if it had no foreign keys.
NEEDED_TO_UNDO: Mapping[str, frozenset[str]] = {"REFERENCES": frozenset({"REFERENCES"})}
# For seeing the name of every table and of every trigger, whose files a partial copy names.
NEEDED_TO_CHOOSE: Mapping[str, frozenset[str]] = {
    "SHOW VIEW": frozenset({"SHOW VIEW", "SELECT"}),
    "TRIGGER": frozenset({"TRIGGER"}),
}
# For seeing the name of every table of a MySQL, and of its files.
NEEDED_TO_CHOOSE_OF_CLONE: Mapping[str, frozenset[str]] = {
    "PROCESS": frozenset({"PROCESS"}),
    "REFERENCES": frozenset({"REFERENCES", "SELECT", "SHOW VIEW", "TRIGGER"}),
}
# On the schema that gets a table of a backup, which has a temporary name at first.
NEEDED_TO_MAKE_TABLES = ("SELECT", "INSERT", "CREATE", "ALTER", "DROP", "INDEX", "REFERENCES")
NEEDED_TO_SEE_TRIGGERS: Mapping[str, frozenset[str]] = {"TRIGGER": frozenset({"TRIGGER"})}
# For SHOW CREATE of each kind of object: one privilege of each set.
NEEDED_TO_DEFINE: Mapping[str, tuple[frozenset[str], ...]] = {
    "tables": (frozenset({"SHOW VIEW", "SELECT"}),),
    "views": (frozenset({"SHOW VIEW"}), frozenset({"SELECT"})),
    "triggers": (frozenset({"TRIGGER"}),),
    "routines": (frozenset({"SELECT", "SHOW_ROUTINE", "SHOW CREATE ROUTINE"}),),
    "events": (frozenset({"EVENT"}),),
}
# The table of the plugins a server loads: INSERT on it allows INSTALL PLUGIN.
PLUGIN_TABLE = "mysql.plugin"
WHY: Mapping[str, str] = {
    "BACKUP_ADMIN": "takes a clone",
    "RELOAD": "locks the end of the copy",
    "PROCESS": "reads InnoDB's status",
    "BINLOG MONITOR": "reads the binlog position",
    "REPLICATION SLAVE": "receives binlogs",
    "REPLICATION CLIENT": "reads how far the source's binlogs are",
    "SHOW VIEW": "sees the names of tables",
    "TRIGGER": "sees the names of triggers",
    "REFERENCES": "sees the names of tables",
    "SUPER": "makes a checkpoint of RocksDB",
}
_GLOBAL = re.compile(r"GRANT (?P<privileges>.+) ON \*\.\* TO ", re.IGNORECASE)
_SCOPED = re.compile(r"GRANT (?P<privileges>.+) ON (?P<scope>\S+) TO ", re.IGNORECASE)
_ROLE = re.compile(r"GRANT (?P<role>[`'\"].+?[`'\"]|[^ ,]+) TO ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Grants:
    """The global privileges of an account, and those with a narrower scope."""

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
        if match := _GLOBAL.match(line):
            privileges |= _words(match["privileges"])
        elif match := _SCOPED.match(line):
            scope = match["scope"].replace("`", "")
            scoped |= {(word, scope) for word in _words(match["privileges"])}
        elif match := _ROLE.match(line):
            roles.append(match["role"].strip("`'\""))
    return Grants(account, frozenset(privileges - {"USAGE"}), tuple(roles), frozenset(scoped))


def needed_by(engine: str, *, rocksdb: bool = False) -> Mapping[str, frozenset[str]]:
    """Return the privileges an engine needs, each with what is also sufficient."""
    if engine == CLONE:
        return NEEDED_TO_CLONE
    return {**NEEDED, **NEEDED_FOR_ROCKSDB} if rocksdb else NEEDED


def missing_privileges(grants: Grants, needed: Mapping[str, frozenset[str]] = NEEDED) -> list[str]:
    """Return the global privileges the account lacks."""
    if grants.everything:
        return []
    return [name for name, enough in needed.items() if not enough & grants.privileges]


def unseen_definitions(grants: Grants) -> list[str]:
    """Return a sentence for each kind of object whose definitions the account may not see."""
    if grants.everything:
        return []
    lacks = {
        kind: [" or ".join(sorted(one)) for one in needed if not one & grants.privileges]
        for kind, needed in NEEDED_TO_DEFINE.items()
    }
    return [
        f"{kind} may be missing: {grants.account} lacks {' and '.join(missing)} on *.*"
        for kind, missing in lacks.items()
        if missing
    ]


def may_install_plugins(grants: Grants) -> bool:
    """Whether the grants allow INSTALL PLUGIN."""
    if grants.everything or "INSERT" in grants.privileges:
        return True
    wide_enough = {"mysql.*", PLUGIN_TABLE}
    return any(
        privilege in {"INSERT", "ALL PRIVILEGES"} and scope in wide_enough
        for privilege, scope in grants.scoped
    )


def grant_statement(account: str, privileges: Iterable[str], on: str = "*.*") -> str:
    """Return the statement that grants ``account`` the privileges, ready to be run."""
    return f"GRANT {', '.join(privileges)} ON {on} TO {quoted_account(account)};"


def create_statements(user: str, host: str, engine: str = MARIADB_BACKUP) -> list[str]:
    """Return the statements that create a backup user; the password is left to fill in.

    Without an engine: the grants for MariaDB and those for MySQL, labelled.
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
