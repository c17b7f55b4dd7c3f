"""Replays archived transactions onto the prepared copy, and stops exactly where requested."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from backups.binlog_archive.recovery.from_backup import Recovery
from backups.binlog_archive.recovery.starts import recovery_of
from backups.binlogs.moments import from_micros
from backups.binlogs.source.sent import Passed
from backups.exceptions import StageFailed
from backups.models.job import LogLevel
from backups.parameters import RELAY_LOGS
from backups.programs.compatibility import CLONE, Version, parse_version
from backups.programs.free_memory import free_memory
from backups.programs.server_program import find_mysqld
from backups.restores.recovery_time import APPLY
from backups.restores.replay.drive import Replayed
from backups.restores.replay.statements import ReplayTarget
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.restore.keeping import Keeping
from backups.stages.restore.session import ReplaySession
from backups.stages.restore.work import RestoreWork
from backups.units import format_bytes

_LOG_SECONDS = 10
_MOST_WORKERS = 8
_LEAST_POOL, _MOST_POOL = 128 * 1024 * 1024, 8 * 1024**3


class ReplayTransactions(PlainStage[RestoreWork]):
    name = "replay"
    # One transaction may take long; a server that ended is noticed.
    watched = False

    def children(self, run: Run) -> Sequence[str]:
        # While transactions are applied, without the start of a server for it.
        return (APPLY,)

    def run(self, run: Run, work: RestoreWork) -> str:
        if work.goal is None:
            return "the backup as it is"
        recovery = work.recovery or recovery_of(work.copy.backup, work.goal)
        if recovery is None:
            raise StageFailed(
                f"{work.copy.backup.label} has no binlog position: nothing can be replayed onto it"
            )
        work.recovery = recovery
        # A folder that is continued may have more than that.
        if not recovery.served.stretches and work.continues is None:
            return f"nothing to replay: the backup is {recovery.goal}"
        done = work.replayed = ReplaySession(
            run, work, recovery, _target(work, recovery), Watch
        ).replay()
        for name in done.disabled_events:
            run.log(self.name, f"event {name} is disabled, as a replica creates it",
                    LogLevel.WARNING)  # fmt: skip
        for xid in done.open_xa:
            run.log(self.name, f"XA transaction {xid} is prepared and undecided", LogLevel.WARNING)
        return _result(recovery, done)


class Watch:
    """Shows how far a replay is."""

    def __init__(self, run: Run, recovery: Recovery, keeping: Keeping | None) -> None:
        self._run, self._recovery, self._keeping = run, recovery, keeping
        self._meter = run.new_meter()
        self._meter.raw_bytes_total = recovery.bytes_total
        self._began = self._logged = time.monotonic()

    def progress(self, passed: Passed) -> None:
        self._run.check()
        if passed.read_bytes > self._meter.raw_bytes:
            self._meter.raw_bytes = passed.read_bytes
            self._run.alive()
        now = time.monotonic()
        if passed.transactions and now - self._logged >= _LOG_SECONDS:
            self._logged = now
            self._run.log(ReplayTransactions.name, self._line(passed, now - self._began))
            if self._keeping is not None:
                self._keeping.progress(passed)

    def _line(self, passed: Passed, seconds: float) -> str:
        rate = passed.read_bytes / seconds
        left = (self._recovery.bytes_total - passed.read_bytes) / rate if rate else 0
        return (
            f"{passed.transactions:,} of {self._recovery.stop.transactions:,} transactions, "
            f"up to {from_micros(passed.commit_micros):%Y-%m-%d %H:%M:%S} UTC, "
            f"{format_bytes(int(rate))}/s, about {left:.0f} s left"
        )


def _result(recovery: Recovery, done: Replayed) -> str:
    stop = recovery.stop
    last = f", the last {stop.last_gtid}" if stop.last_gtid else ""
    moment = f" of {stop.last_commit:%Y-%m-%d %H:%M:%S} UTC" if stop.last_commit else ""
    skipped = len(recovery.goal.skipped)
    without = f", {skipped} of them skipped" if skipped else ""
    return (
        f"{done.passed.transactions:,} transactions{without}{last}{moment}; "
        f"{format_bytes(recovery.bytes_total)}"
    )


def _target(work: RestoreWork, recovery: Recovery) -> ReplayTarget:
    """Return the server that replays."""
    served = recovery.served
    return ReplayTarget(
        served.flavour,
        _version(work),
        served.gtid_mode,
        _workers(),
        _buffer_pool(),
        by_relay_logs=work.replay_by == RELAY_LOGS,
    )


def _version(work: RestoreWork) -> Version:
    """Return the version of the server that replays; of a MariaDB, that of the backup."""
    backup = work.copy.backup
    if backup.engine == CLONE:
        return find_mysqld(work.server_program)[1]
    version = parse_version(backup.server_version)
    if version is None:
        raise StageFailed(f"{backup.label} is of an unknown version: {backup.server_version}")
    return version


def _workers() -> int:
    return min(max(os.cpu_count() or 1, 2), _MOST_WORKERS)


def _buffer_pool() -> int:
    """Return a quarter of what is free: other jobs of this host have servers too."""
    quarter = (free_memory() or 0) // 4
    return min(max(quarter, _LEAST_POOL), _MOST_POOL)
