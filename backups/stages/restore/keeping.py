"""How does a replay leave its folder so that another job can go on with it?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pymysql
from django.db import Error, connection

from backups.binlog_archive.recovery.from_backup import Recovery
from backups.binlog_archive.recovery.rest import Reached, Rest, find_rest
from backups.binlogs.moments import from_micros
from backups.binlogs.segments.names import file_number
from backups.binlogs.source.sent import Passed
from backups.exceptions import LeaseLost, MooringError, StageFailed
from backups.models import KeptRestore
from backups.models.job import LogLevel
from backups.programs.private_server import PrivateServer
from backups.restores.kept import begin_keeping, stop_keeping, where_it_is
from backups.restores.replay.account import ReplayAccount
from backups.restores.replay.drive import Replayed
from backups.restores.replay.reached import stop_and_find
from backups.restores.replay.statements import ReplayTarget
from backups.runners.local import LocalRunner
from backups.running.run import Run
from backups.stages.restore.work import RestoreWork

_SOURCE = "replay"
# So much more than is sent is noted at once.
_AHEAD_BYTES = 64 * 1024 * 1024
# Until a server is killed that was to stop: it ends the transaction that it is in.
_STOP_SECONDS = 20
_RETRY_SECONDS = 0.5
_SYNC_SECONDS = 3600


@dataclass(slots=True)
class Keeping:
    """The row of a folder while a replay runs on it."""

    run: Run
    work: RestoreWork
    # From the backup on, whatever of it is there already.
    whole: Recovery
    account: str
    # How many transactions were there when this job began.
    done: int = 0
    # Whether the folder changes.
    under_way: bool = field(default=False, init=False)
    # Set once the server applies nothing more: it may take its time to end.
    stopped: threading.Event = field(default_factory=threading.Event, init=False)
    _noted: tuple[int, int] = field(default=(0, 0), init=False)

    def begin(self) -> KeptRestore:
        """Make the row, or take the one that there is."""
        if self.work.kept is None:
            self.work.kept = begin_keeping(
                self.run.job,
                mark=self.work.mark,
                target=self.work.target,
                account=self.account,
            )
        return self.work.kept

    def set_out(self) -> None:
        """Note that from here on the folder changes."""
        self.under_way = True
        left_out = " ".join(sorted(self.whole.goal.skipped))
        # Where an earlier one stopped says nothing any longer.
        self._write(
            skipped=left_out,
            in_order=False,
            failed=False,
            next_file="",
            next_position=None,
            next_gtid="",
            next_commit_at=None,
        )

    def note_place(self, rest: Rest) -> None:
        """Note where the folder is, as its server forgets that now; nothing of it is in doubt."""
        self._write_patiently(in_order=False, failed=False, **_columns(rest))

    def note_ended(self) -> None:
        """Note that the server ended in order, and has applied nothing yet."""
        self._sync()
        self._write_patiently(in_order=True)

    def finish(self, done: Replayed) -> None:
        """Note that everything is applied, and the server has ended in order."""
        self._sync()
        stop, self.under_way = self.whole.stop, False
        self._write_patiently(
            in_order=True,
            transactions=done.passed.transactions,
            last_commit_at=stop.last_commit,
            next_gtid="",
            next_commit_at=None,
            **_place((stop.file, stop.offset), self.whole.served_until),
        )

    def before_send(self, file: str, offset: int) -> None:
        """Note that everything up to a place may be sent; called by the source's thread."""
        place = (file_number(file), offset)
        if place <= self._noted:
            return
        self._write_patiently(sent_file=file, sent_position=offset + _AHEAD_BYTES)
        self._noted = (place[0], offset + _AHEAD_BYTES)

    def progress(self, passed: Passed) -> None:
        """Note how far it is at least; the next note says more."""
        with suppress(Error):
            self._write(
                transactions=self.done + passed.transactions,
                last_commit_at=from_micros(passed.commit_micros),
            )

    def leave(
        self, server: PrivateServer, target: ReplayTarget, account: ReplayAccount, *, failed: bool
    ) -> Rest | None:
        """Stop the replay and its server in order, and note where; None where that was not so."""
        try:
            with server.connect(user=account.user, password=account.password) as session:
                left = stop_and_find(session, target)
            self.stopped.set()
            server.shut_down()
            self._sync()
        except (pymysql.Error, MooringError) as exc:
            self.run.log(_SOURCE, f"the server did not end in order: {exc}", LogLevel.WARNING)
            return None
        if left.temporary_tables:
            self._give_up(left.temporary_tables)
            return None
        # First: to find the place takes long, and may be interrupted.
        self._write_patiently(in_order=True, failed=failed or left.failed)
        rest = self._rest_from(left.reached)
        if rest is not None:
            self._write_patiently(**_columns(rest))
        if self.work.kept is not None:
            self.work.kept.refresh_from_db()
            self.run.log(_SOURCE, f"the folder is kept: {where_it_is(self.work.kept)}")
        return rest

    def _sync(self) -> None:
        """Bring the files to the disk, or raise: the row says that they are there."""
        target = self.work.target
        synced = LocalRunner().run(["sync", "-f", str(target)], timeout_seconds=_SYNC_SECONDS)
        if synced.exit_code:
            raise StageFailed(f"{target} could not be synced: {synced.stderr.strip()}")

    def _rest_from(self, reached: Reached | None) -> Rest | None:
        """Return what is left; None: the next job finds it, by the server's own tables."""
        if reached is None:
            return None
        try:
            return find_rest(self.whole, reached)
        except (MooringError, Error, OSError) as exc:
            self.run.log(_SOURCE, f"where it stopped is not known: {exc}", LogLevel.WARNING)
            return None

    def _give_up(self, temporary_tables: int) -> None:
        """Forget the row: what is missing in the folder cannot be made again."""
        self.run.log(
            _SOURCE,
            f"{temporary_tables} temporary tables of replayed statements were open: a server has "
            "them until it ends, so that the folder cannot be continued",
            LogLevel.WARNING,
        )
        stop_keeping(self.run.job)
        self.work.kept = None

    def _write_patiently(self, **columns: object) -> None:
        """Write; a short outage of the database must not end hours of work."""
        while True:
            try:
                self._write(**columns)
                return
            except Error:
                connection.close()
                self.run.check()
                time.sleep(_RETRY_SECONDS)

    def _write(self, **columns: object) -> None:
        KeptRestore.objects.filter(job=self.run.job).update(**columns)


def ending(run: Run, server: PrivateServer, keeping: Keeping | None = None) -> Callable[[], None]:
    """Return what ends a server for a job that must stop: at once only where it is not ours."""

    def kill_late() -> None:
        if keeping is None or not keeping.stopped.is_set():
            server.kill()

    def end_soon() -> None:
        if isinstance(run.stop_reason, LeaseLost):
            server.kill()
            return
        timer = threading.Timer(_STOP_SECONDS, kill_late)
        timer.daemon = True
        timer.start()

    return end_soon


def _columns(rest: Rest) -> dict[str, object]:
    found: dict[str, object] = {"transactions": rest.done}
    if rest.last is not None:
        found["last_commit_at"] = from_micros(rest.last.transaction.commit_micros)
    if rest.next is not None:
        file, following, served_as = rest.next
        found |= {
            "next_gtid": following.gtid,
            "next_commit_at": from_micros(following.commit_micros),
        }
        start = following.start
        return found | _place((file, start), (served_as, start))
    # It was stopped when everything was applied already.
    stop = rest.recovery.stop
    return found | _place((stop.file, stop.offset), rest.recovery.served_until)


def _place(following: tuple[str, int], served: tuple[str, int]) -> dict[str, object]:
    """Return the columns of the first place that is not applied: nothing sent behind it was.

    ``served`` is the same one, by the names under which files are served.
    """
    (next_file, next_position), (sent_file, sent_position) = following, served
    return {
        "next_file": next_file,
        "next_position": next_position,
        "sent_file": sent_file,
        "sent_position": sent_position,
    }
