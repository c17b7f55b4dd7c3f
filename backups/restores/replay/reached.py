"""How far is a server, by what it keeps with its data? Asked while no replay runs."""

from __future__ import annotations

from typing import Any, NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.binlog_archive.recovery.rest import Reached
from backups.binlogs.segments.names import file_number
from backups.restores.replay.doubt import TablesFound
from backups.restores.replay.statements import ReplayTarget

_FOREIGN = (
    "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES "
    "WHERE TABLE_TYPE = 'BASE TABLE' AND COALESCE(ENGINE, '') <> 'InnoDB' "
    "AND TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema', 'sys')"
)
_POSITIONS = (
    "SELECT Master_log_name, Master_log_pos FROM mysql.slave_relay_log_info "
    "WHERE Channel_name = '' UNION ALL "
    "SELECT Master_log_name, Master_log_pos FROM mysql.slave_worker_info WHERE Channel_name = ''"
)
_OPEN_TEMPORARY = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN "
    "('Slave_open_temp_tables', 'Replica_open_temp_tables')"
)
# Where the position is, of each flavour and with or without GTIDs.
_GTID_TABLES = "mysql.gtid_slave_pos"
_SET_TABLE = "mysql.gtid_executed"
_PLACE_TABLES = frozenset({"mysql.slave_relay_log_info", "mysql.slave_worker_info"})


class StoppedReplay(NamedTuple):
    """How a replay was left that was stopped in order."""

    reached: Reached | None
    temporary_tables: int
    # Whether a transaction failed, whatever else was the reason to stop.
    failed: bool


def find_reached(connection: Connection[Any], target: ReplayTarget) -> Reached | None:
    """Return how far a server is; None where it has no position."""
    if target.by_gtid:
        rows = _rows(connection, target.executed)
        return Reached("".join(str(rows[0][0] or "").split()))
    # Workers end their transactions in order: the last of them is how far all are.
    places = [
        (file_number(file), int(position), str(file))
        for file, position in _rows(connection, _POSITIONS)
        if file
    ]
    if not places:
        return None
    _, position, file = max(places)
    return Reached(file=file, position=position, by_server=True)


def find_tables(connection: Connection[Any], target: ReplayTarget) -> TablesFound:
    """Return which tables are not of InnoDB."""
    foreign = {str(name) for (name,) in _rows(connection, _FOREIGN)}
    if target.is_mariadb:
        loose = {name for name in foreign if name.startswith(_GTID_TABLES)}
    else:
        loose = foreign & ({_SET_TABLE} if target.by_gtid else _PLACE_TABLES)
    return TablesFound(foreign, loose)


def open_temporary_tables(connection: Connection[Any]) -> int:
    """Return how many temporary tables of replayed statements are open."""
    return max((int(count) for _, count in _rows(connection, _OPEN_TEMPORARY)), default=0)


def stop_and_find(connection: Connection[Any], target: ReplayTarget) -> StoppedReplay:
    """Stop a replay between transactions, and find how it was left."""
    with connection.cursor() as cursor:
        cursor.execute(target.stop)
    return StoppedReplay(
        find_reached(connection, target),
        open_temporary_tables(connection),
        has_failed(connection, target),
    )


def has_failed(connection: Connection[Any], target: ReplayTarget) -> bool:
    """Whether a transaction could not be applied."""
    with connection.cursor(DictCursor) as cursor:
        cursor.execute(target.status)
        status = cursor.fetchone() or {}
    return int(status.get("Last_SQL_Errno") or 0) != 0


# Any: SQL's values.
def _rows(connection: Connection[Any], query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())
