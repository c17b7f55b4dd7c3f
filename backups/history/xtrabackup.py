"""What do XtraBackup and mariadb-backup record with ``--history``?

Both write one row per run, after the backup has been taken: there are no failed and no running
runs, no sizes and no errors. Source: the CREATE TABLE statements the tools run, and
mariadb-backup 10.11's own rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from backups.history.base import (
    OVERLAP,
    ROWS_AT_ONCE,
    Cursor,
    NoHistory,
    ObservedRun,
    Query,
    Reading,
    Row,
    RunState,
    moment,
    number,
    redact,
    text,
)
from backups.states import BackupKind

PERCONA = "PERCONA_SCHEMA.xtrabackup_history"
_COORDINATES = re.compile(
    r"filename '(?P<file>[^']*)'(?:,)? position '(?P<position>\d+)'"
    r"(?:.*?GTID of the last change '(?P<gtid>[^']*)')?",
    re.DOTALL,
)
_YES = {"Y", "y"}
# For display; the other columns have fields of their own.
_FACTS = ("name", "format", "compressed", "encrypted", "ibbackup_version")


class XtraBackupHistory:
    tables: ClassVar[tuple[str, ...]] = (PERCONA,)

    def read(self, query: Query, cursor: Cursor) -> Reading:
        return read_newest(query, self.tables, cursor)


class MariadbBackupHistory:
    """In schema ``mysql`` since 10.11, in Percona's schema before."""

    tables: ClassVar[tuple[str, ...]] = ("mysql.mariadb_backup_history", PERCONA)

    def read(self, query: Query, cursor: Cursor) -> Reading:
        return read_newest(query, self.tables, cursor)


def read_newest(query: Query, tables: Sequence[str], cursor: Cursor) -> Reading:
    """Read from the first of ``tables`` that exists."""
    for table in tables:
        try:
            return _read(query, table, cursor)
        except NoHistory:
            continue
    raise NoHistory(f"no table {' or '.join(tables)}: no run has used --history")


def _read(query: Query, table: str, cursor: Cursor) -> Reading:
    since = text(cursor.get("end_time")) or "1970-01-02 00:00:00"
    last = text(cursor.get("uuid"))
    rows = query(
        f"SELECT * FROM {table} WHERE end_time > %s OR (end_time = %s AND uuid > %s) "  # noqa: S608
        "ORDER BY end_time, uuid LIMIT %s",
        (since, since, last, ROWS_AT_ONCE),
    )
    late = query(
        f"SELECT * FROM {table} WHERE end_time <= %s AND end_time > %s "  # noqa: S608
        "ORDER BY end_time DESC, uuid LIMIT %s",
        (since, str(datetime.fromisoformat(since) - OVERLAP), ROWS_AT_ONCE),
    )
    if rows:
        cursor = {"end_time": str(rows[-1]["end_time"]), "uuid": text(rows[-1]["uuid"])}
    runs = [run for row in [*late, *rows] if (run := parse_row(row))]
    return Reading(runs, cursor, more=len(rows) == ROWS_AT_ONCE)


def parse_row(row: Row) -> ObservedRun | None:
    """Return the run of a row; None without times. Older tables lack some columns."""
    started_at, ended_at = moment(row.get("start_time")), moment(row.get("end_time"))
    if started_at is None or ended_at is None:
        return None
    file, position, gtid = parse_coordinates(text(row.get("binlog_pos")))
    lock_seconds = number(row.get("lock_time"))
    return ObservedRun(
        key=text(row["uuid"]),
        # A row is written only after a successful copy.
        state=RunState.SUCCEEDED,
        kind=_kind(row),
        started_at=started_at,
        ended_at=ended_at,
        tool_version=text(row.get("tool_version")),
        server_version=text(row.get("server_version")),
        lock_time=None if lock_seconds is None else timedelta(seconds=lock_seconds),
        from_lsn=number(row.get("innodb_from_lsn")),
        to_lsn=number(row.get("innodb_to_lsn")),
        binlog_file=file,
        binlog_position=position,
        gtid=gtid,
        facts=_facts(row),
    )


def _kind(row: Row) -> BackupKind:
    if text(row.get("incremental")) in _YES:
        return BackupKind.INCREMENTAL
    return BackupKind.PARTIAL if text(row.get("partial")) in _YES else BackupKind.FULL


def _facts(row: Row) -> Mapping[str, str]:
    facts = {name: text(row[name]) for name in _FACTS if row.get(name) is not None}
    facts["command"] = redact(text(row.get("tool_command")))
    return facts


def parse_coordinates(binlog_pos: str) -> tuple[str, int | None, str]:
    """Read ``filename 'f', position 'n', GTID of the last change 'g'``."""
    if match := _COORDINATES.search(binlog_pos):
        return match["file"], int(match["position"]), match["gtid"] or ""
    return "", None, ""
