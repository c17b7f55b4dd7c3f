"""Does every table of the restored server pass CHECK TABLE, and how many rows has it?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import chain
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.catalog.contents import table_of
from backups.engines.base import Prepared
from backups.exceptions import EngineError
from backups.models.job import LogLevel
from backups.programs.disk_full import fail_if_disk_full
from backups.programs.private_server import PrivateServer
from backups.programs.server_session import gone, is_lost, session
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.proof.evidence import failure_as_evidence, record
from backups.stages.proof.source_faults import BROKEN_THERE, explain, explain_check
from backups.stages.restore.work import RestoreWork
from backups.units import format_count

# Everything that has rows: MariaDB has two kinds more.
TABLES = """
    SELECT TABLE_SCHEMA AS table_schema, TABLE_NAME AS table_name, ENGINE AS engine
    FROM information_schema.TABLES
    WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')
      AND TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema')
    ORDER BY TABLE_SCHEMA, TABLE_NAME
"""
# The note of an engine that cannot check a table: neither a fault nor a pass.
UNCHECKED = "doesn't support check"


class CheckTables(PlainStage[RestoreWork]):
    name = "check tables"
    # One table can take longer than any sensible silence.
    watched = False
    # How each table is checked, one after the other: further words of CHECK TABLE.
    ways: tuple[str, ...] = ("",)

    def run(self, run: Run, work: RestoreWork) -> str:
        if work.server is None:
            raise EngineError("no server to check: it was not started")
        self._refute_lost(run, work)
        work.tables = []
        with self.failures(run, work), run.ending_by(work.server.kill):
            try:
                self._check_all(run, work.server, work.tables)
            except EngineError as exc:
                fail_if_disk_full(f"{exc}\n{work.server.log.tail(100)}", work.server.folder)
                raise
        work.tables = [_judged(entry, work.prepared) for entry in work.tables]
        # A server stopped on request has not checked the tables: no evidence against the copy.
        run.check()
        faulty = [entry for entry in work.tables if entry["verdict"] == "failed"]
        if faulty:
            messages = "\n".join(str(fault.get("message", "")) for fault in faulty)
            fail_if_disk_full(f"{messages}\n{work.server.log.tail(100)}", work.server.folder)
            names = ", ".join(f"{fault['schema']}.{fault['name']}" for fault in faulty[:5])
            self.refute(run, work, f"faulty tables: {names}")
            raise EngineError(
                f"{len(faulty)} of {format_count(len(work.tables), 'table')} faulty: {names}"
            )
        rows = sum(int(str(entry["rows"])) for entry in work.tables if entry["rows"] is not None)
        unread = [entry for entry in work.tables if entry["rows"] is None]
        for skipped in unread:
            text = f"{skipped['schema']}.{skipped['name']} was not read: {skipped['message']}"
            run.log(self.name, text, LogLevel.WARNING)
        tables = format_count(len(work.tables) - len(unread), "table")
        passed = f"{tables} passed, {format_count(rows, 'row')}"
        return f"{passed}; {len(unread)} not read, see the log" if unread else passed

    def _refute_lost(self, run: Run, work: RestoreWork) -> None:
        """Fail where the copy lacks tables that it is to have: the server does not list them."""
        if lost := work.prepared.lost:
            work.tables = []
            error = f"{format_count(len(lost), 'chosen table')} not in the copy: {_first(lost)}"
            self.refute(run, work, error)
            raise EngineError(error, hint="Take another backup: they were renamed during this one.")

    def failures(self, run: Run, work: RestoreWork) -> AbstractContextManager[None]:
        """Return what records a failure inside, against whatever is tested."""
        return failure_as_evidence(run, work.copy, self.name)

    def refute(self, run: Run, work: RestoreWork, error: str) -> None:
        """Record faulty tables against whatever is tested."""
        record(run, work.copy, passed=False, report={"tables": work.tables, "error": error})

    def _check_all(self, run: Run, server: PrivateServer, tables: list[dict[str, object]]) -> None:
        meter = run.new_meter()
        with session(server) as connection:
            rows = _rows(connection, TABLES)
            meter.files_total = len(rows)
            for row in rows:
                run.check()
                meter.current_file = f"{row['table_schema']}.{row['table_name']}"
                try:
                    tables.append(check_table(connection, row, self.ways))
                except pymysql.Error:
                    raise gone(server, f"{meter.current_file} was checked") from None
                meter.files_done += 1


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:5])


def _judged(checked: dict[str, object], prepared: Prepared) -> dict[str, object]:
    """Mark as unknown, neither a fault nor a pass, what says nothing of the copy."""
    if (checked["schema"], checked["name"]) in prepared.left_out:
        return checked | {"verdict": "unknown", "message": "not in the backup"}
    if checked["verdict"] == "failed" and checked["engine"] == "Aria":
        return _judged_aria(checked, prepared)
    return checked


def _judged_aria(checked: dict[str, object], prepared: Prepared) -> dict[str, object]:
    why = ""
    marked = {table_of(path) for path in prepared.marked_crashed}
    if (checked["schema"], checked["name"]) in marked:
        why = f"{BROKEN_THERE}: it was marked as crashed there"
    # Of Aria no page shows whether a key is right: a wrong one looks like damage.
    elif prepared.unproved_keys:
        why = f"the keys in {prepared.unproved_keys} could not be proved right"
    if not why:
        return checked
    message = f"{why}; {checked['message']}"
    return checked | {"verdict": "unknown", "rows": None, "message": message}


def check_table(
    connection: Connection[Any], table: dict[str, Any], ways: Sequence[str] = ("",)
) -> dict[str, object]:
    """Check one table and count its rows; keep the server's messages about it.

    A lost connection is raised: that is no verdict about any table.
    """
    name = f"{_quoted(table['table_schema'])}.{_quoted(table['table_name'])}"
    messages: list[str] = []
    warnings: list[str] = []
    verdict, rows, reason = "ok", None, ""
    try:
        for line in chain(*(_rows(connection, f"CHECK TABLE {name}{way}") for way in ways)):
            if line["Msg_type"] == "error" or line["Msg_text"] == "Corrupt":
                verdict = "failed"
            elif line["Msg_type"] == "note" and UNCHECKED in line["Msg_text"]:
                verdict = "unknown"
            if line["Msg_type"] == "warning":
                warnings.append(line["Msg_text"])
            if line["Msg_text"] != "OK":
                messages.append(line["Msg_text"])
        rows = _rows(connection, f"SELECT COUNT(*) AS n FROM {name}")[0]["n"]  # noqa: S608
    except pymysql.Error as exc:
        if is_lost(exc):
            raise
        messages.append(str(exc.args[-1] if exc.args else exc))
        reason = explain(connection, table, exc)
        verdict = "failed"
    if verdict == "failed" and (reason := reason or explain_check(table, warnings, messages)):
        verdict, rows, messages = "unknown", None, [reason, *messages]
    return {
        "schema": table["table_schema"],
        "name": table["table_name"],
        "engine": table["engine"],
        "rows": rows,
        "verdict": verdict,
        "message": "; ".join(messages),
    }


def _rows(connection: Connection[Any], sql: str) -> list[dict[str, Any]]:
    with connection.cursor(DictCursor) as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
