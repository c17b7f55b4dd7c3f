"""Which sessions of an instance may hold a lock that a backup has to wait for?

A server reports the holder of a table lock only where its metadata locks are instrumented.
Otherwise the sessions with an open transaction, a running statement or a long idle time are
candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.exceptions import InstanceUnreachable
from backups.instances.connection import fetch_rows

# This many sessions are named; the others are counted.
NAMED = 3
STATEMENT_CHARACTERS = 100
_SESSIONS = """
    SELECT ID AS id, USER AS user, HOST AS host, COMMAND AS command, TIME AS seconds,
           COALESCE(STATE, '') AS state, COALESCE(INFO, '') AS statement
    FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID()
"""
_TRANSACTIONS = """
    SELECT trx_mysql_thread_id AS id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS seconds
    FROM information_schema.INNODB_TRX
"""
# Of MariaDB's plugin, and of the performance schema.
_LOCKS = (
    "SELECT THREAD_ID AS id FROM information_schema.METADATA_LOCK_INFO",
    "SELECT PROCESSLIST_ID AS id FROM performance_schema.metadata_locks "
    "JOIN performance_schema.threads ON THREAD_ID = OWNER_THREAD_ID "
    "WHERE LOCK_STATUS = 'GRANTED' AND LOCK_DURATION <> 'STATEMENT' "
    "AND OBJECT_TYPE IN ('TABLE', 'SCHEMA', 'GLOBAL', 'BACKUP LOCK', 'COMMIT')",
)
# Connections of replicas and the server's own threads hold none.
_OTHERS = ("Daemon", "Binlog Dump", "Binlog Dump GTID", "Slave_", "clone", "Connect")


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session that holds, or may hold, locks."""

    id: int
    user: str
    host: str
    # Of its statement, its transaction, or its idleness.
    seconds: int
    statement: str = ""
    in_transaction: bool = False
    # Whether the server reports that it holds a lock.
    certain: bool = False

    def describe(self, now: datetime) -> str:
        since = now - timedelta(seconds=self.seconds)
        what = "in a transaction" if self.in_transaction else "idle"
        doing = f"running {self.statement}" if self.statement else what
        return f"session {self.id} of {self.user}@{self.host}, {doing}, since {since:%H:%M:%S} UTC"


def fetch_lock_holders(
    connection: Connection[DictCursor], *, least: timedelta
) -> Sequence[LockHolder]:
    """Return the sessions that may have held a lock for ``least``, the likeliest first."""
    transactions = {
        int(row["id"]): int(row["seconds"]) for row in _asked(connection, _TRANSACTIONS)
    }
    certain = {int(row["id"]) for sql in _LOCKS for row in _asked(connection, sql) if row["id"]}
    holders = [
        _holder(row, transactions, certain)
        for row in fetch_rows(connection, _SESSIONS)
        if not _is_other(row)
    ]
    long = [holder for holder in holders if holder.seconds >= least.total_seconds()]
    if known := [holder for holder in long if holder.certain]:
        long = known
    return sorted(long, key=_likelihood)


def lists_transactions(connection: Connection[DictCursor]) -> bool:
    """Return whether the server lists open transactions: of MariaDB, that is a plugin."""
    try:
        fetch_rows(connection, _TRANSACTIONS)
    except InstanceUnreachable:
        # A lost connection is noticed here.
        fetch_rows(connection, "SELECT VERSION()")
        return False
    return True


def describe_holders(holders: Sequence[LockHolder]) -> str:
    """Describe who holds, or may hold, the lock; blank if nobody is known."""
    if not holders:
        return ""
    now = datetime.now(UTC)
    named = "; ".join(holder.describe(now) for holder in holders[:NAMED])
    more = f"; {len(holders) - NAMED} more" if len(holders) > NAMED else ""
    verb = "held by" if holders[0].certain else "possibly held by"
    return f"{verb} {named}{more}"


def _holder(
    row: Mapping[str, Any], transactions: Mapping[int, int], certain: set[int]
) -> LockHolder:
    number = int(row["id"])
    seconds = max(int(row["seconds"] or 0), transactions.get(number, 0))
    statement = " ".join(str(row["statement"]).split())[:STATEMENT_CHARACTERS]
    in_transaction = number in transactions
    return LockHolder(
        number, row["user"], row["host"], seconds, statement, in_transaction, number in certain
    )


def _is_other(row: Mapping[str, Any]) -> bool:
    # One that waits itself is no cause.
    return str(row["command"]).startswith(_OTHERS) or str(row["state"]).startswith("Waiting for")


def _likelihood(holder: LockHolder) -> tuple[bool, bool, bool, int]:
    return (not holder.certain, not holder.in_transaction, not holder.statement, -holder.seconds)


def _asked(connection: Connection[DictCursor], sql: str) -> Sequence[Mapping[str, Any]]:
    """Return the rows; none where the table is not offered or may not be read."""
    try:
        return fetch_rows(connection, sql)
    except InstanceUnreachable:
        return ()
