"""May a MySQL be cloned now? The checks that are the clone's own, each with what to do.

Pure: facts in, checks out.
"""

from __future__ import annotations

from backups.checks import Check, Verdict
from backups.clone_facts import CloneFacts
from backups.grants import grant_statement
from backups.probe import InstanceFacts
from backups.units import format_bytes

LEAST_PACKET_BYTES = 2 << 20
INSTALL_PLUGIN = "INSTALL PLUGIN clone SONAME 'mysql_clone.so';"
# A clone at work has these; after its client is gone the donor waits a while on one of them.
LEAST_CONNECTIONS = 2
# So many tables are named; the rest are counted.
NAMED_TABLES = 5


def decide_clone_checks(facts: InstanceFacts, clone: CloneFacts) -> list[Check]:
    """Judge a donor."""
    return [
        check_plugin(clone),
        check_packet(clone),
        check_redo(clone),
        check_running_clones(facts, clone),
        check_sizes(facts),
        check_foreign_tables(facts, clone),
    ]


def check_plugin(clone: CloneFacts) -> Check:
    name = "clone plugin"
    if clone.plugin == "ACTIVE":
        return Check(name, Verdict.OK, "active")
    found = f"it is {clone.plugin}" if clone.plugin else "it is not installed"
    return Check(
        name,
        Verdict.FAILED,
        found,
        f"Run as an administrator of the server: {INSTALL_PLUGIN}",
    )


def check_packet(clone: CloneFacts) -> Check:
    name = "max_allowed_packet"
    if clone.max_allowed_packet is None:
        return Check(name, Verdict.UNKNOWN, "the server does not tell it")
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
        "switched off: such a server cannot be cloned",
        "Run ALTER INSTANCE ENABLE INNODB REDO_LOG;",
    )


def check_running_clones(facts: InstanceFacts, clone: CloneFacts) -> Check:
    name = "other clones"
    if clone.running_clones is None:
        return not_seen(name, facts, "PROCESS")
    if not clone.running_clones:
        return Check(name, Verdict.OK, "none runs")
    if clone.running_clones < LEAST_CONNECTIONS:
        return Check(name, Verdict.OK, "one whose client is gone, which the next one replaces")
    return Check(
        name,
        Verdict.FAILED,
        f"{clone.running_clones} connections are cloning; a server gives one clone at a time",
        "Wait for it to end, then try again.",
    )


def check_sizes(facts: InstanceFacts) -> Check:
    if facts.innodb is None:
        return not_seen("size", facts, "PROCESS")
    size = format_bytes(facts.innodb.file_bytes)
    return Check("size", Verdict.OK, f"{size} in {facts.innodb.file_count} tablespaces to copy")


def check_foreign_tables(facts: InstanceFacts, clone: CloneFacts) -> Check:
    """A clone holds InnoDB only: whatever else there is must be known to be missing."""
    name = "other engines"
    if clone.foreign_tables is None:
        return not_seen(name, facts, "REFERENCES")
    if not clone.foreign_tables:
        return Check(name, Verdict.OK, "every table is InnoDB")
    tables = [
        f"{table.schema}.{table.name} ({table.engine}, {format_bytes(table.size_bytes)})"
        for table in clone.foreign_tables[:NAMED_TABLES]
    ]
    if more := len(clone.foreign_tables) - NAMED_TABLES:
        tables += [f"{more} more"] if more > 0 else []
    total = format_bytes(sum(table.size_bytes for table in clone.foreign_tables))
    return Check(
        name,
        Verdict.WARNING,
        f"not in the backup, {total}: {', '.join(tables)}",
        "Convert them with ALTER TABLE … ENGINE=InnoDB, or dump them yourself.",
    )


def not_seen(name: str, facts: InstanceFacts, privilege: str) -> Check:
    statement = grant_statement(facts.grants.account, [privilege])
    return Check(
        name,
        Verdict.UNKNOWN,
        f"the account may not see it ({privilege} is missing)",
        f"To let it be seen, run {statement}",
    )
