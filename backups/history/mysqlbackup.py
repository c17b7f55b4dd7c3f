"""What does MySQL Enterprise Backup record in ``mysql.backup_history`` and ``backup_progress``?

A history row is written when a run has ended, successful or not; progress rows while it runs. A run
with progress and no history is running, or was killed. Written from the documentation of the
tables; not tested with the tool itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import ClassVar

from backups.history.base import (
    ROWS_AT_ONCE,
    Cursor,
    NoHistory,
    ObservedRun,
    ObservedStage,
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

HISTORY, PROGRESS = "mysql.backup_history", "mysql.backup_progress"
SUCCESS = "SUCCESS"
KINDS = {kind.name: kind for kind in BackupKind}
# An identifier begins with the seconds since 1970 at which the run began: this many ids
# before the newest are read again, which is a day.
SEVEN_DIGITS = 10_000_000
OVERLAP_IDS = 86_400 * SEVEN_DIGITS
# A run that began longer before the newest one than this, a week, is not waited for.
LONGEST_RUN_IDS = 7 * OVERLAP_IDS
RUNNING_AT_ONCE = 50
PROGRESS_AT_ONCE = 20_000
# For display; the other columns have fields of their own.
_FACTS = ("backup_format", "backup_destination", "compression_level", "engines", "meb_version")


class MysqlbackupHistory:
    tables: ClassVar[tuple[str, ...]] = (HISTORY, PROGRESS)

    def read(self, query: Query, cursor: Cursor) -> Reading:
        """Read by backup_id, which grows with the time of a run's start."""
        last = int(cursor.get("backup_id", 0))
        # A run may end days after it began, long behind the newest one.
        running = [int(backup_id) for backup_id in cursor.get("running", ())]
        rows = _rows(query, "backup_id > %s", [last])
        again = _rows(query, "backup_id <= %s AND backup_id > %s", [last, last - OVERLAP_IDS])
        if running:
            again += _rows(query, f"backup_id IN ({', '.join(['%s'] * len(running))})", running)
        stages = _stages(query, [last - OVERLAP_IDS, *running])
        ended = {int(row["backup_id"]): row for row in [*again, *rows]}
        runs = [run for row in ended.values() if (run := parse_history(row, stages))]
        going = [
            run
            for backup_id, lines in stages.items()
            if backup_id not in ended and (run := parse_progress(backup_id, lines))
        ]
        newest = max([last, *(int(row["backup_id"]) for row in rows)])
        # A killed run never ends: it is dropped here, or its progress and all later rows would be
        # read again for ever.
        ids = sorted(int(run.key) for run in going)
        still = [run_id for run_id in ids if run_id > newest - LONGEST_RUN_IDS][-RUNNING_AT_ONCE:]
        return Reading(
            [*runs, *going],
            {"backup_id": newest, "running": still},
            more=len(rows) == ROWS_AT_ONCE,
        )


def _rows(query: Query, where: str, values: Sequence[int]) -> list[Row]:
    return query(
        f"SELECT * FROM {HISTORY} WHERE {where} ORDER BY backup_id LIMIT %s",  # noqa: S608
        (*values, ROWS_AT_ONCE),
    )


def _stages(query: Query, since: Sequence[int]) -> Mapping[int, Sequence[Row]]:
    try:
        rows = query(
            f"SELECT * FROM {PROGRESS} WHERE backup_id >= %s "  # noqa: S608
            "ORDER BY backup_id, `current_time` LIMIT %s",
            (max(0, min(since)), PROGRESS_AT_ONCE),
        )
    except NoHistory:
        # The history alone is sufficient.
        return {}
    by_run = groupby(rows, key=lambda row: int(row["backup_id"]))
    return {backup_id: list(lines) for backup_id, lines in by_run}


def parse_history(row: Row, stages: Mapping[int, Sequence[Row]]) -> ObservedRun | None:
    """Return the run of a history row; columns differ between releases."""
    started_at = moment(row.get("start_time_utc")) or moment(row.get("start_time"))
    ended_at = moment(row.get("end_time_utc")) or moment(row.get("end_time"))
    if started_at is None or ended_at is None:
        return None
    exit_state = text(row.get("exit_state")).upper()
    failed = exit_state != SUCCESS
    position = number(row.get("binlog_pos"))
    return ObservedRun(
        key=text(row["backup_id"]),
        state=RunState.FAILED if failed else RunState.SUCCEEDED,
        kind=KINDS.get(text(row.get("backup_type")).upper(), BackupKind.FULL),
        started_at=started_at,
        ended_at=ended_at,
        error=_error(row, exit_state) if failed else "",
        tool_version=text(row.get("meb_version")),
        lock_time=_seconds(row.get("lock_time")),
        from_lsn=number(row.get("start_lsn")),
        to_lsn=number(row.get("end_lsn")),
        binlog_file=text(row.get("binlog_file")) if position is not None else "",
        binlog_position=position,
        stages=_parse_stages(stages.get(int(row["backup_id"]), ())),
        facts=_facts(row),
    )


def parse_progress(backup_id: int, lines: Sequence[Row]) -> ObservedRun | None:
    """Return a run that has progress rows and has not ended."""
    stages = _parse_stages(lines)
    if not stages:
        return None
    began = datetime.fromtimestamp(backup_id // SEVEN_DIGITS, stages[0].at.tzinfo)
    return ObservedRun(
        key=str(backup_id),
        state=RunState.RUNNING,
        kind=BackupKind.FULL,
        # The first line is later than the start; the identifier, if valid, is the start.
        started_at=min(began, stages[0].at) if began.year > 2000 else stages[0].at,
        error=next((stage.error for stage in reversed(stages) if stage.error), ""),
        stages=stages,
        facts={"command": redact(text(lines[0].get("tool_name")))},
    )


def _parse_stages(lines: Sequence[Row]) -> tuple[ObservedStage, ...]:
    return tuple(
        ObservedStage(
            name=text(line.get("current_state")),
            at=at,
            error=text(line.get("error_message")) if number(line.get("error_code")) else "",
        )
        for line in lines
        if (at := moment(line.get("current_time")))
    )


def _error(row: Row, exit_state: str) -> str:
    message = text(row.get("last_error")).strip()
    code = text(row.get("last_error_code")).strip()
    number_of = f" (error {code})" if code not in {"", "0"} else ""
    return f"{message or f'the tool reports {exit_state or None!r}'}{number_of}"


def _seconds(value: object) -> timedelta | None:
    try:
        return timedelta(seconds=float(str(value)))
    except ValueError:
        return None


def _facts(row: Row) -> Mapping[str, str]:
    facts = {name: text(row[name]) for name in _FACTS if row.get(name) is not None}
    facts["command"] = redact(text(row.get("tool_name")))
    return facts
