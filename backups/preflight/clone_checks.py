"""May a MySQL server be cloned now? The checks specific to clone, each with a hint.

Facts in, checks out; nothing is read here.
"""

from __future__ import annotations

from collections.abc import Sequence

from backups.checks import Check, Verdict
from backups.instances.clone_facts import (
    LEAST_CONNECTIONS,
    CloneFacts,
    CloneSettings,
    ForeignTable,
)
from backups.instances.facts import ServerFacts
from backups.instances.grants import (
    NEEDED_TO_READ,
    PLUGIN_TABLE,
    grant_statement,
    may_install_plugins,
    missing_privileges,
)
from backups.units import format_bytes

LEAST_PACKET_BYTES = 2 << 20
INSTALL_PLUGIN = "INSTALL PLUGIN clone SONAME 'mysql_clone.so';"
# This many tables are named; the others are counted.
NAMED_TABLES = 5


def decide_clone_checks(
    facts: ServerFacts,
    clone: CloneFacts,
    options: CloneSettings,
    wanted: Sequence[ForeignTable] | None,
) -> list[Check]:
    """Check a donor. ``wanted`` are the tables of other engines that the backup is to have."""
    return [
        check_plugin(facts, clone, options),
        check_packet(clone),
        check_redo(clone),
        check_running_clones(facts, clone),
        check_sizes(facts),
        check_foreign_tables(facts, clone, options, wanted),
    ]


def lacks_plugin(clone: CloneFacts) -> bool:
    """Whether INSTALL PLUGIN would help: not if the plugin is installed but disabled."""
    return not clone.plugin


def check_plugin(facts: ServerFacts, clone: CloneFacts, options: CloneSettings) -> Check:
    name = "clone plugin"
    if clone.plugin == "ACTIVE":
        return Check(name, Verdict.OK, "active")
    if options.install_plugin and lacks_plugin(clone):
        return _plugin_to_install(name, facts)
    found = f"it is {clone.plugin}" if clone.plugin else "it is not installed"
    return Check(
        name,
        Verdict.FAILED,
        found,
        f"Run as an administrator of the server: {INSTALL_PLUGIN}",
    )


def _plugin_to_install(name: str, facts: ServerFacts) -> Check:
    if may_install_plugins(facts.grants):
        return Check(name, Verdict.WARNING, "it is not installed; a backup installs it first")
    return Check(
        name,
        Verdict.FAILED,
        f"it is not installed, and the account may not install it (INSERT on {PLUGIN_TABLE})",
        f"Run {grant_statement(facts.grants.account, ['INSERT'], PLUGIN_TABLE)}",
    )


def check_packet(clone: CloneFacts) -> Check:
    name = "max_allowed_packet"
    if clone.max_allowed_packet is None:
        return Check(name, Verdict.UNKNOWN, "the server does not report it")
    size = format_bytes(clone.max_allowed_packet)
    if clone.max_allowed_packet >= LEAST_PACKET_BYTES:
        return Check(name, Verdict.OK, size)
    return Check(
        name,
        Verdict.FAILED,
        f"{size}; a clone needs {format_bytes(LEAST_PACKET_BYTES)}",
        f"Run SET PERSIST max_allowed_packet = {LEAST_PACKET_BYTES};",
    )


def check_redo(clone: CloneFacts) -> Check:
    if clone.redo_enabled:
        return Check("redo log", Verdict.OK, "on")
    return Check(
        "redo log",
        Verdict.FAILED,
        "disabled: the server cannot be cloned",
        "Run ALTER INSTANCE ENABLE INNODB REDO_LOG;",
    )


def check_running_clones(facts: ServerFacts, clone: CloneFacts) -> Check:
    name = "other clones"
    if clone.running_clones is None:
        return missing_privilege_check(name, facts, "PROCESS")
    if not clone.running_clones:
        return Check(name, Verdict.OK, "none running")
    if clone.running_clones < LEAST_CONNECTIONS:
        return Check(
            name, Verdict.OK, "one whose client has disconnected; the next clone replaces it"
        )
    return Check(
        name,
        Verdict.FAILED,
        f"{clone.running_clones} connections are cloning; a server allows one clone at a time",
        "Wait for the other clone to end, then try again.",
    )


def check_sizes(facts: ServerFacts) -> Check:
    if facts.innodb is None:
        return unlisted_tablespaces_check("size", facts)
    size = format_bytes(facts.innodb.file_bytes)
    return Check("size", Verdict.OK, f"{size} in {facts.innodb.file_count} tablespaces to copy")


def check_foreign_tables(
    facts: ServerFacts,
    clone: CloneFacts,
    options: CloneSettings,
    wanted: Sequence[ForeignTable] | None,
) -> Check:
    """Check for tables of other engines, which a clone does not contain."""
    name = "other engines"
    if options.save_foreign_tables and (
        missing := missing_privileges(facts.grants, NEEDED_TO_READ)
    ):
        return Check(
            name,
            Verdict.FAILED,
            f"tables that are not InnoDB cannot be saved: {', '.join(missing)} not granted",
            f"Run {grant_statement(facts.grants.account, missing)}",
        )
    if clone.foreign_tables is None:
        return missing_privilege_check(name, facts, "REFERENCES")
    if not clone.foreign_tables:
        return Check(name, Verdict.OK, "every table is InnoDB")
    for table in clone.foreign_tables:
        # At the first start on a clone the server re-creates it empty, without quoting its name.
        if "`" in table.schema + table.name:
            return Check(
                name,
                Verdict.FAILED,
                f"{table.schema}.{table.name} ({table.engine}) has a backtick in its name: "
                "no server would start on the copy",
                "Rename the table, or convert it with ALTER TABLE … ENGINE=InnoDB.",
            )
    if not wanted:
        return Check(name, Verdict.OK, "every chosen table is InnoDB")
    return _check_wanted(name, options, wanted)


def _check_wanted(name: str, options: CloneSettings, wanted: Sequence[ForeignTable]) -> Check:
    tables = _list_tables(wanted)
    total = format_bytes(sum(table.size_bytes for table in wanted))
    if options.save_foreign_tables:
        found = f"saved by SELECT, each locked while it is read, {total}: {tables}"
        return Check(name, Verdict.OK, found)
    return Check(
        name,
        Verdict.WARNING,
        f"not in the backup, {total}: {tables}",
        "Save them with --save-foreign-tables, or convert them with ALTER TABLE … ENGINE=InnoDB.",
    )


def _list_tables(tables: Sequence[ForeignTable]) -> str:
    """Name the first of them, and how many more there are."""
    named = [
        f"{table.schema}.{table.name} ({table.engine}, {format_bytes(table.size_bytes)})"
        for table in tables[:NAMED_TABLES]
    ]
    more = len(tables) - NAMED_TABLES
    return ", ".join([*named, f"{more} more"] if more > 0 else named)


def unlisted_tablespaces_check(name: str, facts: ServerFacts) -> Check:
    """Return why the tablespaces are unknown: the account, or a server that hides them."""
    if not facts.grants.everything and "PROCESS" not in facts.grants.privileges:
        return missing_privilege_check(name, facts, "PROCESS")
    return Check(
        name,
        Verdict.UNKNOWN,
        "the server does not list its tablespaces (information_schema.INNODB_TABLESPACES)",
        "To allow the check, start the server with its plugin INNODB_TABLESPACES on.",
    )


def missing_privilege_check(name: str, facts: ServerFacts, privilege: str) -> Check:
    statement = grant_statement(facts.grants.account, [privilege])
    return Check(
        name,
        Verdict.UNKNOWN,
        f"the account may not read it: {privilege} is missing",
        f"To allow the check, run {statement}",
    )
