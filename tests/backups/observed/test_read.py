"""A reading of a history becomes rows, whatever is odd in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backups.history.base import NoHistory, ObservedRun, Reading, Row, RunState
from backups.history.mysqlbackup import MysqlbackupHistory
from backups.history.xtrabackup import XtraBackupHistory
from backups.models import Backup, Instance, Job, ObservedHistory
from backups.observed.read import read_rows, store_reading
from backups.states import BackupKind
from tests.backups.planning import make_instances

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
RUN = ObservedRun("u-1", RunState.SUCCEEDED, BackupKind.FULL, T0, T0 + timedelta(minutes=5))
# What a column without a sign holds where there is no LSN.
NO_LSN = (1 << 64) - 1


@pytest.mark.django_db
def test_a_run_that_cannot_be_stored_keeps_no_other_from_it() -> None:
    shop: Instance = make_instances(1)[0]
    history = ObservedHistory.objects.create(instance=shop, next_read_at=T0)
    odd = replace(RUN, key="u-0", to_lsn=NO_LSN)
    store_reading(shop, history, Reading([odd, RUN], {"uuid": "u-1"}), T0)
    assert [job.observed_key for job in Job.objects.all()] == ["u-1"]
    assert Backup.objects.get().made_by == Job.objects.get()
    assert (history.verdict, history.cursor) == ("read", {"uuid": "u-1"})
    assert "1 not stored, the first u-0" in history.detail


def xtrabackup_row(**columns: object) -> Row:
    ends = {"start_time": datetime(2026, 3, 2), "end_time": datetime(2026, 3, 2)}  # noqa: DTZ001
    return {"uuid": "u-1", **ends, **columns}


def test_a_number_no_column_holds_is_unknown() -> None:
    def query(sql: str, parameters: Sequence[object]) -> list[Row]:
        return [xtrabackup_row(innodb_from_lsn=0, innodb_to_lsn=NO_LSN)] if ">" in sql else []

    run = read_rows(XtraBackupHistory(), query, {}).runs[0]
    assert (run.from_lsn, run.to_lsn) == (0, None)


def test_rows_of_an_unknown_shape_are_no_history() -> None:
    def query(sql: str, parameters: Sequence[object]) -> list[Row]:
        return [{"number": 1}]

    with pytest.raises(NoHistory, match="unknown format"):
        read_rows(XtraBackupHistory(), query, {})


def test_what_was_killed_long_ago_is_not_read_again_for_ever() -> None:
    days = (1, 5, 20)
    killed, going, newest = (
        int((T0 + timedelta(days=day)).timestamp()) * 10_000_000 for day in days
    )
    newest_at = (T0 + timedelta(days=20)).replace(tzinfo=None)

    def query(sql: str, parameters: Sequence[object]) -> list[Row]:
        if "backup_progress" in sql:
            line = {"current_state": "Copy", "current_time": newest_at}
            return [{"backup_id": each, **line} for each in (killed, newest - 1)]
        ended = {"start_time": newest_at, "end_time": newest_at, "exit_state": "SUCCESS"}
        return [{"backup_id": newest, **ended}]

    reading = read_rows(MysqlbackupHistory(), query, {"backup_id": going, "running": [killed]})
    assert reading.cursor == {"backup_id": newest, "running": [newest - 1]}
