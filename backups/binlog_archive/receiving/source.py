"""What does a source say about its binary log, and which settings put the archive at risk?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.binlogs.dump.start import SourceFile
from backups.binlogs.events.gtids import GtidPosition, Gtids, parse_gtids
from backups.binlogs.segments.names import file_number
from backups.exceptions import InstanceUnreachable, Refused
from backups.instances.connection import fetch_rows
from backups.instances.facts import fetch_identity
from backups.programs.compatibility import MARIADB, MYSQL, decide_flavour, parse_version
from backups.units import format_duration

VARIABLES = (
    "version",
    "version_comment",
    "log_bin",
    "binlog_format",
    "binlog_row_image",
    "binlog_checksum",
    "binlog_expire_logs_seconds",
    "expire_logs_days",
    "binlog_storage_engine",
    "sync_binlog",
    "log_slave_updates",
    "log_replica_updates",
    "gtid_executed",
    "gtid_binlog_pos",
    "gtid_slave_pos",
    "rpl_semi_sync_source_enabled",
    "rpl_semi_sync_master_enabled",
    "rpl_semi_sync_source_wait_point",
    "rpl_semi_sync_master_wait_point",
)
# The header of a binary log that MySQL encrypts; it arrives without.
ENCRYPTION_HEADER_BYTES = 512
# Older releases use MASTER.
_STATUS_SINCE = (8, 4, 0)
# An outage of the receiver should end well before the source purges what was not received.
SHORTEST_EXPIRY = timedelta(days=1)
_ENABLE = {
    MARIADB: "SET GLOBAL rpl_semi_sync_master_enabled = ON, "
    "rpl_semi_sync_master_wait_point = AFTER_SYNC",
    MYSQL: "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'; "
    "SET GLOBAL rpl_semi_sync_source_enabled = ON",
}


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """A source's binary log at one moment."""

    identity: str
    flavour: str
    version: str
    files: Sequence[SourceFile]
    # With the databases that are or are not logged, and whether a MariaDB replicates.
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def semi_sync(self) -> bool:
        """Whether commits of the source wait for a replica that acknowledges."""
        names = ("rpl_semi_sync_source_enabled", "rpl_semi_sync_master_enabled")
        return any(self.variables.get(name, "").upper() in {"ON", "1"} for name in names)

    @property
    def logs_replicated(self) -> bool:
        """Whether what it replicates is in its binary log, too."""
        names = ("log_replica_updates", "log_slave_updates")
        return next((self.variables[name] for name in names if name in self.variables), "ON") in {
            "ON",
            "1",
        }

    @property
    def executed(self) -> Gtids:
        """All that it has committed and logged, and what a copy of another server came with."""
        if self.flavour != MARIADB:
            return parse_gtids(self.variables.get("gtid_executed", ""))
        logged = GtidPosition.parse(self.variables.get("gtid_binlog_pos", ""))
        if not self.logs_replicated:
            return logged
        replicated = GtidPosition.parse(self.variables.get("gtid_slave_pos", ""))
        domains = logged.ends()
        for domain, server, number in replicated.entries():
            if domain not in domains:
                logged.add(f"{domain}-{server}-{number}")
        return logged


class SemiSync(NamedTuple):
    """Whether commits shall wait for a replica, and whether they do."""

    enabled: bool
    waits: bool


def fetch_source(connection: Connection[DictCursor]) -> SourceFacts:
    """Query a source; Refused if its binary log cannot be archived."""
    wanted = ", ".join(["%s"] * len(VARIABLES))
    rows = fetch_rows(
        connection, f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({wanted})", VARIABLES
    )
    variables = {row["Variable_name"].lower(): str(row["Value"] or "") for row in rows}
    version = variables["version"]
    if variables.get("log_bin", "").upper() not in {"ON", "1"}:
        raise Refused(
            "the source writes no binary log", hint="Start it with log_bin and a server_id."
        )
    if (engine := variables.get("binlog_storage_engine", "")) not in {"", "none"}:
        raise Refused(
            f"the source keeps its binary log in the engine {engine}, which is sent by GTID only",
            hint="Unset binlog_storage_engine on the source: only binary logs in files of their "
            "own can be archived.",
        )
    flavour = decide_flavour(version, variables.get("version_comment", ""))
    return SourceFacts(
        identity=fetch_identity(connection),
        flavour=flavour,
        version=version,
        files=fetch_files(connection),
        variables=variables | _fetch_left_out(connection, flavour, version),
    )


def _fetch_left_out(
    connection: Connection[DictCursor], flavour: str, version: str
) -> dict[str, str]:
    """Return what says which changes of the source are not in its binary log."""
    known = parse_version(version)
    new = flavour == MYSQL and known is not None and known >= _STATUS_SINCE
    rows = fetch_rows(connection, "SHOW BINARY LOG STATUS" if new else "SHOW MASTER STATUS")
    names = ("Binlog_Do_DB", "Binlog_Ignore_DB")
    found = {name.lower(): str(row.get(name) or "") for row in rows for name in names}
    for row in fetch_rows(connection, "SHOW GLOBAL STATUS LIKE 'Slaves_running'"):
        found["slaves_running"] = str(row["Value"])
    return found


def fetch_files(connection: Connection[DictCursor]) -> list[SourceFile]:
    """Return the source's binary logs, oldest first, with the sizes that they arrive with."""
    files = []
    for row in fetch_rows(connection, "SHOW BINARY LOGS"):
        # A name of another kind could be a path.
        file_number(str(row["Log_name"]))
        header = ENCRYPTION_HEADER_BYTES if row.get("Encrypted") == "Yes" else 0
        files.append(SourceFile(str(row["Log_name"]), int(row["File_size"]) - header))
    if not files:
        raise InstanceUnreachable("the source lists no binary log")
    return files


def fetch_gtids_before(connection: Connection[DictCursor], file: str) -> Gtids:
    """Return the transactions in front of a file of the source, as its first events list them."""
    # A name that the source itself has listed; it is quoted by the client library.
    for row in fetch_rows(connection, "SHOW BINLOG EVENTS IN %s LIMIT 4", (file,)):
        if row["Event_type"] in {"Previous_gtids", "Gtid_list"}:
            return parse_gtids(str(row["Info"]).strip("[]"))
    return parse_gtids("")


def fetch_semi_sync(connection: Connection[DictCursor]) -> SemiSync:
    """Return what a source does at this moment."""
    return read_semi_sync(
        _fetch_named(connection, "SHOW GLOBAL VARIABLES LIKE 'rpl_semi_sync%'"),
        _fetch_named(connection, "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync%'"),
    )


def read_semi_sync(settings: Mapping[str, str], status: Mapping[str, str]) -> SemiSync:
    """Return what variables and status mean, both by names in small letters.

    The source waits for us only if it waits for all: whoever answers first lets the commit go on,
    and MySQL alone can wait for more than one answer.
    """
    for name, count in (
        ("rpl_semi_sync_source", "wait_for_replica_count"),
        ("rpl_semi_sync_master", "wait_for_slave_count"),
    ):
        if f"{name}_status" in status:
            clients = int(status[f"{name}_clients"])
            awaited = int(settings.get(f"{name}_{count}", "1"))
            waits = status[f"{name}_status"] == "ON" and 0 < clients <= awaited
            return SemiSync(enabled=settings.get(f"{name}_enabled") == "ON", waits=waits)
    return SemiSync(enabled=False, waits=False)


def fetch_clock(connection: Connection[DictCursor]) -> datetime:
    """Return the source's clock, by which its commits are dated."""
    (row,) = fetch_rows(connection, "SELECT UTC_TIMESTAMP(6) AS moment")
    moment = row["moment"]
    assert isinstance(moment, datetime)
    return moment.replace(tzinfo=UTC)


def _fetch_named(connection: Connection[DictCursor], sql: str) -> dict[str, str]:
    """Return variables by their names in small letters."""
    rows = fetch_rows(connection, sql)
    return {row["Variable_name"].lower(): str(row["Value"]) for row in rows}


def lag_bytes(
    files: Sequence[SourceFile], file: str, position: int, *, known: int = 0
) -> int | None:
    """Return how much of a source's binary log is not here; None if that is not known.

    ``known``: what was here of the file before the source was asked. Where the source has less, or
    does not list the file, its history is another one.
    """
    names = [each.name for each in files]
    if file not in names:
        return None
    rest = files[names.index(file) :]
    if rest[0].size < known:
        return None
    return max(0, sum(each.size for each in rest) - position)


def warnings_of(facts: SourceFacts, *, acknowledge: bool) -> list[str]:
    """Return what the source's settings mean for the archive, each with what to do."""
    variables, found = facts.variables, _left_out(facts)
    if (form := variables.get("binlog_format", "ROW")) != "ROW":
        found.append(
            f"binlog_format is {form}: single transactions cannot be undone, and a replay may not "
            "give the same rows. Set it to ROW."
        )
    if (image := variables.get("binlog_row_image", "FULL").upper()) not in {"FULL", "FULL_NODUP"}:
        found.append(
            f"binlog_row_image is {image}: single transactions cannot be undone. Set it to FULL."
        )
    if variables.get("binlog_checksum", "CRC32") == "NONE":
        found.append("binlog_checksum is NONE: changed bytes are not noticed. Set it to CRC32.")
    if variables.get("sync_binlog", "1") != "1":
        found.append(
            f"sync_binlog is {variables['sync_binlog']}: a power cut may cost the source "
            "transactions that the archive has. Set it to 1."
        )
    expiry = _expiry(variables)
    if expiry and expiry < SHORTEST_EXPIRY:
        found.append(
            f"the source purges binary logs after {format_duration(expiry)}: a longer outage of "
            "the receiver leaves a gap. Set binlog_expire_logs_seconds to a day at least."
        )
    if acknowledge:
        found += _semi_sync_warnings(facts)
    return found


def _left_out(facts: SourceFacts) -> list[str]:
    """Say which changes are in no binary log: no recovery would have them, and none would fail."""
    found = [
        f"{name} is {databases}: changes of other databases are in no binary log, and a recovery "
        "does not have them. Unset it."
        if name == "binlog_do_db"
        else f"{name} is {databases}: changes of them are in no binary log, and a recovery does "
        "not have them. Unset it."
        for name in ("binlog_do_db", "binlog_ignore_db")
        if (databases := facts.variables.get(name))
    ]
    # MariaDB's default is OFF: it counts where the server is a replica.
    replicates = facts.variables.get("slaves_running", "0") != "0" or facts.variables.get(
        "gtid_slave_pos"
    )
    if not facts.logs_replicated and (facts.flavour == MYSQL or replicates):
        found.append(
            "log_slave_updates is OFF: what the source replicates is in no binary log of its own, "
            "and a recovery does not have it. Set it to ON, or archive its primary."
        )
    return found


def _semi_sync_warnings(facts: SourceFacts) -> list[str]:
    if not facts.semi_sync:
        statement = _ENABLE.get(facts.flavour, "")
        return [f"semi-synchronous replication is off on the source. Run {statement}."]
    names = ("rpl_semi_sync_source_wait_point", "rpl_semi_sync_master_wait_point")
    point = next((facts.variables[name] for name in names if name in facts.variables), "")
    if point != "AFTER_SYNC":
        return [
            f"the source waits at {point}: others see a commit before the archive has it. Set "
            "the wait point to AFTER_SYNC."
        ]
    return []


def _expiry(variables: Mapping[str, str]) -> timedelta:
    """Return after how long files are purged; zero: never."""
    seconds = float(variables.get("binlog_expire_logs_seconds") or 0)
    days = float(variables.get("expire_logs_days") or 0)
    return timedelta(seconds=seconds) or timedelta(days=days)
