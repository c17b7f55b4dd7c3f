"""How do backups taken by other schedulers enter the catalog?

The tool's own history is read from the instance, with some overlap each time, and each run is
stored once: reading it again changes only runs that were still running.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import pymysql
from django.db import DataError, transaction
from django.db.models import Q
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.exceptions import InstanceUnreachable
from backups.history import READERS
from backups.history.base import Cursor, HistoryReader, NoHistory, Query, Reading, Row
from backups.instances.connection import connect, login_of
from backups.instances.facts import fetch_identity
from backups.instances.grants import quoted_account
from backups.instances.identity import is_another
from backups.models import Instance, Job, ObservedHistory
from backups.models.heartbeat import HistoryVerdict
from backups.observed.rows import store_run
from backups.units import format_count

logger = logging.getLogger(__name__)

READ_EVERY = timedelta(minutes=1)
# The privileges have to be granted first.
READ_AGAIN_AFTER_REFUSAL = timedelta(minutes=5)
HISTORIES_AT_ONCE = 200
# Errors: no such table or database; access denied.
_MISSING = {1146, 1049}
_DENIED = {1142, 1143, 1044}


class HistoryDenied(Exception):
    """The account may not read the table."""


def due_histories(now: datetime) -> list[int]:
    """Claim the instances whose history is to be read now, and return their keys."""
    _make_rows(now)
    due = ObservedHistory.objects.filter(next_read_at__lte=now).exclude(instance__history_tool="")
    claimed = []
    for row in due.filter(instance__enabled=True).order_by("next_read_at")[:HISTORIES_AT_ONCE]:
        mine = ObservedHistory.objects.filter(pk=row.pk, next_read_at=row.next_read_at)
        if mine.update(next_read_at=now + READ_EVERY):
            claimed.append(row.instance_id)
    return claimed


def _make_rows(now: datetime) -> None:
    """Create the rows of instances whose history tool has been set since the last time."""
    new = Instance.objects.filter(~Q(history_tool=""), observed_history=None, enabled=True)
    ObservedHistory.objects.bulk_create(
        [ObservedHistory(instance=instance, next_read_at=now) for instance in new],
        ignore_conflicts=True,
    )


def read_history(instance: Instance, now: datetime) -> list[Job]:
    """Read an instance's history and store its runs; return the jobs that are new or changed.

    An obstacle is recorded on the history's row and never raised: unknown is a state.
    """
    history = ObservedHistory.objects.get(instance=instance)
    reader = READERS[instance.history_tool]
    try:
        with contextlib.closing(connect(login_of(instance), connect_timeout=5)) as connection:
            _refuse_another_server(instance, fetch_identity(connection))
            reading = read_rows(reader, query_function(connection), history.cursor)
    except NoHistory as exc:
        _note(history, HistoryVerdict.UNKNOWN, str(exc), "", now + READ_EVERY)
    except InstanceUnreachable as exc:
        _note(history, HistoryVerdict.UNKNOWN, str(exc), exc.hint, now + READ_EVERY)
    except HistoryDenied as exc:
        grants = " ".join(f"GRANT SELECT ON {table} TO {exc.args[1]};" for table in reader.tables)
        hint = f"Grant access to the table that exists: {grants}"
        again_at = now + READ_AGAIN_AFTER_REFUSAL
        _note(history, HistoryVerdict.REFUSED, str(exc.args[0]), hint, again_at)
    else:
        return store_reading(instance, history, reading, now)
    return []


def _refuse_another_server(instance: Instance, identity: str) -> None:
    """Raise NoHistory: the runs of another server are not runs of this instance."""
    if is_another(instance, identity):
        raise NoHistory(
            f"another server is at this address: {identity}, not {instance.server_identity}"
        )


def read_rows(reader: HistoryReader, query: Query, cursor: Cursor) -> Reading:
    """Read what is new, or raise NoHistory if the rows are of an unknown format."""
    try:
        return reader.read(query, cursor)
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        tables = " or ".join(reader.tables)
        logger.exception(
            "rows of %s could not be parsed", tables, extra={"action": "history_unknown"}
        )
        raise NoHistory(f"rows of an unknown format: {type(exc).__name__} {exc}") from None


def store_reading(
    instance: Instance, history: ObservedHistory, reading: Reading, now: datetime
) -> list[Job]:
    """Store the runs of a reading; return the jobs that are new or changed.

    A run that cannot be stored is named on the history's row and does not block the others.
    """
    jobs: list[Job] = []
    unstorable: list[str] = []
    with transaction.atomic():
        for run in reading.runs:
            try:
                with transaction.atomic():
                    job = store_run(instance, run, now)
            except (DataError, ValueError, OverflowError):
                logger.exception(
                    "run %s of %s could not be stored",
                    run.key,
                    instance,
                    extra={"action": "run_not_stored", "instance": instance.name},
                )
                unstorable.append(run.key)
                continue
            if job is not None:
                jobs.append(job)
        history.cursor, history.read_at = dict(reading.cursor), now
        again_at = now if reading.more else now + READ_EVERY
        detail = f"{format_count(len(reading.runs), 'run')} read"
        if unstorable:
            detail += f"; {len(unstorable)} not stored, the first {unstorable[0]}: see the log"
        _note(history, HistoryVerdict.READ, detail[:300], "", again_at)
    return jobs


def _note(
    history: ObservedHistory, verdict: HistoryVerdict, detail: str, hint: str, again_at: datetime
) -> None:
    history.verdict, history.detail, history.hint = verdict, detail, hint
    history.next_read_at = again_at
    history.save(update_fields=["verdict", "detail", "hint", "next_read_at", "cursor", "read_at"])


def query_function(connection: Connection[DictCursor]) -> Query:
    """Return a query function for readers, with times in UTC and errors explained."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00'")

    def query(sql: str, parameters: Sequence[object]) -> list[Row]:
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, tuple(parameters))
                return list(cursor.fetchall())
        except pymysql.err.Error as exc:
            raise _explained(connection, exc) from None
        except OSError as exc:
            raise InstanceUnreachable(f"query failed on the instance: {exc}") from None

    return query


def _explained(connection: Connection[DictCursor], error: pymysql.err.Error) -> Exception:
    code, message = (*error.args, "", "")[:2]
    if code in _MISSING:
        return NoHistory(str(message))
    if code in _DENIED:
        return HistoryDenied(str(message), _account(connection))
    return InstanceUnreachable(f"query failed on the instance: {message}")


def _account(connection: Connection[DictCursor]) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER() AS account")
        row = cursor.fetchone() or {}
    return quoted_account(str(row.get("account", "")))
