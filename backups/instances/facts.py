"""Which facts does an instance report? Read in a few cheap queries; nothing is decided here.

information_schema.TABLES is not queried on purpose: that opens every table of the instance.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.exceptions import InstanceUnreachable
from backups.instances.clone_facts import CloneFacts, fetch_clone_facts
from backups.instances.connection import fetch_rows
from backups.instances.grants import Grants, parse_grants
from backups.instances.lock_holders import LockHolder, fetch_lock_holders
from backups.logins.session import GIVEN_SETTINGS
from backups.programs.compatibility import MARIADB, MYSQL, Version, decide_flavour, parse_version

VARIABLES = (
    "version",
    "version_comment",
    "hostname",
    "server_uid",
    "server_uuid",
    "server_id",
    "port",
    "datadir",
    "innodb_data_home_dir",
    "innodb_undo_directory",
    "innodb_log_group_home_dir",
    "innodb_page_size",
    "log_bin",
    "binlog_format",
    "rocksdb_datadir",
    "gtid_current_pos",
    "gtid_executed",
    "init_connect",
)
# Names of InnoDB's LSNs among the status variables.
LAST_CHECKPOINT = "Innodb_lsn_last_checkpoint"
FLUSHED = "Innodb_lsn_flushed"
CURRENT = "Innodb_lsn_current"
_TABLESPACES = """
    SELECT COUNT(*) AS files, COALESCE(SUM(FILE_SIZE), 0) AS bytes
    FROM information_schema.INNODB_SYS_TABLESPACES WHERE NAME <> 'innodb_temporary'
"""
_ENCRYPTED = """
    SELECT COUNT(*) AS files FROM information_schema.INNODB_TABLESPACES_ENCRYPTION
    WHERE ENCRYPTION_SCHEME <> 0
"""
_MYSQL_TABLESPACES = """
    SELECT COUNT(*) AS files, COALESCE(SUM(FILE_SIZE), 0) AS bytes,
           COALESCE(SUM(ENCRYPTION = 'Y'), 0) AS encrypted
    FROM information_schema.INNODB_TABLESPACES WHERE NAME <> 'innodb_temporary'
"""
_LONGEST = """
    SELECT COALESCE(MAX(TIME), 0) AS seconds FROM information_schema.PROCESSLIST
    WHERE COMMAND = 'Query' AND ID <> CONNECTION_ID()
"""


# A transaction or a lock that is older may hold up the end of a copy.
LONG_HELD = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class InnodbSizes:
    """The sizes InnoDB reports. Tables not opened since the start are left out."""

    file_bytes: int
    file_count: int
    # None if the server does not report it.
    encrypted_count: int | None
    # The redo that a backup started now would copy.
    redo_bytes: int


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """An instance at one moment. Blank and None are unknown."""

    flavour: str
    version: str
    version_comment: str
    grants: Grants
    hostname: str = ""
    # Which server this is, as it names itself.
    identity: str = ""
    datadir: str = ""
    redo_folder: str = ""
    # Of the last checkpoint; MariaDB only.
    checkpoint_lsn: int | None = None
    # Folders of InnoDB's files other than the data folder.
    innodb_folders: tuple[str, ...] = ()
    page_size: int | None = None
    log_bin: bool = False
    binlog_format: str = ""
    # Whether the storage engine ROCKSDB is loaded.
    rocksdb: bool = False
    gtid_position: str = ""
    # None if the account lacks the privilege, or the server hides them.
    innodb: InnodbSizes | None = None
    longest_query: timedelta | None = None
    # Sessions that may hold a lock for long.
    lock_holders: Sequence[LockHolder] | None = None
    # What the server gives to a new session of this account.
    session_settings: Mapping[str, str] = field(default_factory=dict)
    init_connect: str = ""
    # Of MySQL only.
    clone: CloneFacts | None = None

    @property
    def release(self) -> Version | None:
        return parse_version(self.version)


def probe(connection: Connection[DictCursor]) -> ServerFacts:
    """Query the facts of an instance; InstanceUnreachable when it stops answering."""
    variables = _variables(connection)
    grants = fetch_grants(connection)
    flavour = decide_flavour(variables["version"], variables.get("version_comment", ""))
    may_ask = grants.everything or "PROCESS" in grants.privileges
    return ServerFacts(
        flavour=flavour,
        version=variables["version"],
        version_comment=variables.get("version_comment", ""),
        grants=grants,
        hostname=variables.get("hostname", ""),
        identity=_identity(variables),
        datadir=variables.get("datadir", ""),
        redo_folder=_redo_folder(variables),
        checkpoint_lsn=fetch_lsn(connection, LAST_CHECKPOINT) if flavour == MARIADB else None,
        innodb_folders=_innodb_folders(variables),
        page_size=int(variables["innodb_page_size"]) if variables.get("innodb_page_size") else None,
        log_bin=variables.get("log_bin", "").upper() in {"ON", "1"},
        binlog_format=variables.get("binlog_format", ""),
        rocksdb="rocksdb_datadir" in variables,
        gtid_position=variables.get("gtid_current_pos") or variables.get("gtid_executed", ""),
        innodb=_sizes(connection, flavour) if may_ask else None,
        longest_query=_longest_query(connection) if may_ask else None,
        lock_holders=fetch_lock_holders(connection, least=LONG_HELD) if may_ask else None,
        session_settings={
            name: str(value) for name, value in _one(connection, GIVEN_SETTINGS).items()
        },
        init_connect=variables.get("init_connect", ""),
        clone=fetch_clone_facts(connection, grants, may_ask) if flavour == MYSQL else None,
    )


def fetch_lsn(connection: Connection[DictCursor], name: str) -> int | None:
    """Return one of InnoDB's LSNs; None if the server does not report it."""
    rows = fetch_rows(connection, f"SHOW GLOBAL STATUS LIKE '{name}'")
    return int(rows[0]["Value"]) if rows else None


def fetch_identity(connection: Connection[DictCursor]) -> str:
    """Return which server this is: one cheap query."""
    return _identity(_variables(connection))


def _identity(variables: Mapping[str, str]) -> str:
    """MySQL's own uuid is in its data folder; MariaDB's is of the host's address and the port."""
    if uuid := variables.get("server_uuid"):
        return uuid
    name = variables.get("server_uid") or f"{variables.get('hostname')}:{variables.get('port')}"
    return f"{name}, server_id {variables.get('server_id')}"


def _variables(connection: Connection[DictCursor]) -> dict[str, str]:
    wanted = ", ".join(["%s"] * len(VARIABLES))
    rows = fetch_rows(
        connection, f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({wanted})", VARIABLES
    )
    variables = {row["Variable_name"].lower(): row["Value"] or "" for row in rows}
    # The global variable lacks the suffix the server appends for a session, such as -log.
    variables.setdefault("version", _one(connection, "SELECT VERSION() AS version")["version"])
    return variables


def fetch_grants(connection: Connection[DictCursor]) -> Grants:
    """Return what the connection's account may do."""
    account = _one(connection, "SELECT CURRENT_USER() AS account")["account"]
    lines = [str(next(iter(row.values()))) for row in fetch_rows(connection, "SHOW GRANTS")]
    return parse_grants(account, lines)


def _sizes(connection: Connection[DictCursor], flavour: str) -> InnodbSizes | None:
    if flavour == MARIADB:
        return _innodb(connection)
    return _innodb_of_mysql(connection) if flavour == MYSQL else None


def _innodb_of_mysql(connection: Connection[DictCursor]) -> InnodbSizes | None:
    # Servers before 8.0 have no such table, and are refused as too old.
    sizes = _reported(connection, _MYSQL_TABLESPACES)
    if sizes is None:
        return None
    log = fetch_rows(connection, "SHOW GLOBAL STATUS LIKE 'Innodb_redo_log_logical_size'")
    return InnodbSizes(
        file_bytes=int(sizes["bytes"]),
        file_count=int(sizes["files"]),
        encrypted_count=int(sizes["encrypted"]),
        redo_bytes=int(log[0]["Value"]) if log else 0,
    )


def _innodb(connection: Connection[DictCursor]) -> InnodbSizes | None:
    sizes = _reported(connection, _TABLESPACES)
    if sizes is None:
        return None
    encrypted = _reported(connection, _ENCRYPTED)
    age = fetch_rows(connection, "SHOW GLOBAL STATUS LIKE 'Innodb_checkpoint_age'")
    return InnodbSizes(
        file_bytes=int(sizes["bytes"]),
        file_count=int(sizes["files"]),
        encrypted_count=None if encrypted is None else int(encrypted["files"]),
        redo_bytes=int(age[0]["Value"]) if age else 0,
    )


def _reported(connection: Connection[DictCursor], sql: str) -> Mapping[str, Any] | None:
    """Return the row of a table that not every server has; None if this one has not.

    The table may be of a newer release, or of a plugin that is not loaded.
    """
    try:
        return _one(connection, sql)
    except InstanceUnreachable:
        # A lost connection is noticed here.
        fetch_rows(connection, "SELECT VERSION()")
        return None


def _longest_query(connection: Connection[DictCursor]) -> timedelta:
    return timedelta(seconds=float(_one(connection, _LONGEST)["seconds"]))


def _redo_folder(variables: Mapping[str, str]) -> str:
    datadir = variables.get("datadir", "")
    # A relative one is below the data folder.
    folder = posixpath.join(datadir, variables.get("innodb_log_group_home_dir", ""))
    return posixpath.normpath(folder) if datadir else folder


def _innodb_folders(variables: Mapping[str, str]) -> tuple[str, ...]:
    names = ("innodb_data_home_dir", "innodb_undo_directory", "innodb_log_group_home_dir")
    folders = {variables.get(name, "").rstrip("/") for name in names}
    return tuple(sorted(folders - {"", ".", variables.get("datadir", "").rstrip("/")}))


def _one(connection: Connection[DictCursor], sql: str) -> Mapping[str, Any]:
    return fetch_rows(connection, sql)[0]
