"""How does a server replay onto the files of a restore, from its start to its end in order?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from django.utils.timezone import now
from pymysql.connections import Connection

from backups.binlog_archive.recovery.from_backup import Recovery
from backups.binlog_archive.recovery.rest import Rest
from backups.binlogs.source.sent import Passed
from backups.engines import engine_named
from backups.exceptions import EngineError, LeaseLost, MooringError, Refused, StageFailed
from backups.programs.disk_full import fail_if_disk_full
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.restores.kept import where_it_is
from backups.restores.recovery_time import APPLY
from backups.restores.replay.account import ReplayAccount
from backups.restores.replay.drive import Replay, Replayed
from backups.restores.replay.leftovers import remove_relay_logs
from backups.restores.replay.relay_logs import WrittenLogs, forget_settings, write_logs
from backups.restores.replay.statements import ReplayTarget
from backups.running.run import Run
from backups.stages.restore.keeping import Keeping, ending
from backups.stages.restore.proven import rest_of_folder
from backups.stages.restore.work import RestoreWork
from backups.states import Operation
from backups.units import format_bytes

_SOURCE = "replay"
# The server's own, which no replica has: nothing ever connects to it.
_SERVER_ID = 4_294_967_290


class ReplayWatch(Protocol):
    """Shows how far a replay is."""

    def progress(self, passed: Passed) -> None: ...


@dataclass(slots=True)
class ReplaySession:
    """One replay by one server."""

    run: Run
    work: RestoreWork
    # From the backup on.
    whole: Recovery
    target: ReplayTarget
    watch: Callable[[Run, Recovery, Keeping | None], ReplayWatch]
    server: PrivateServer = field(init=False)
    account: ReplayAccount = field(init=False)
    # None: nobody named the folder, and it is not kept.
    keeping: Keeping | None = field(default=None, init=False)
    _usual: ServerOptions = field(init=False)

    def __post_init__(self) -> None:
        work = self.work
        self.server = engine_named(self.run.job.engine).restored_server(
            work.target, server=work.server_program, on_wait=self.run.check, keys=work.keys
        )
        self._usual = self.server.settings
        flavour = self.whole.served.flavour
        self.account = (
            ReplayAccount(flavour, work.kept.account) if work.kept else ReplayAccount(flavour)
        )
        if self.run.job.operation == Operation.RESTORE:
            self.keeping = Keeping(self.run, work, self.whole, self.account.user)

    def replay(self) -> Replayed:
        """Replay what is not there yet, or raise; the folder is left so that another can go on."""
        run, server = self.run, self.server
        if self.keeping is not None:
            self.keeping.begin()
        try:
            with run.ending_by(ending(run, server, self.keeping)):
                self._start()
                done = self._replay()
                if self.keeping is not None:
                    self.keeping.stopped.set()
                server.shut_down()
            if self.keeping is not None:
                self.keeping.finish(done)
            run.check()
        except BaseException as exc:
            with run.ending_by(ending(run, server, self.keeping)):
                reason = self._leave(self._full_disk(exc) or exc)
            if reason is exc:
                raise
            raise reason from exc
        finally:
            server.stop()
        remove_relay_logs(self.work.target)
        return done

    def _start(self) -> None:
        owner = self.work.target.stat()
        with self.account.file((owner.st_uid, owner.st_gid)) as grants:
            self.server.settings = _settings(self._usual, self.target, grants)
            self.server.start()
        self.run.process_started(*self.server.process)

    def _replay(self) -> Replayed:
        recovery, rest, has, keeping = self.whole, None, None, self.keeping
        if keeping is not None and self.work.continues is not None:
            with self._connect() as connection:
                rest, reached = rest_of_folder(connection, self.target, keeping)
            self.run.log(_SOURCE, f"it continues after {rest.done:,} transactions")
            recovery, has, keeping.done = rest.recovery, reached.gtids, rest.done
        logs = None
        if self.target.by_relay_logs and recovery.served.stretches:
            logs = self._write_logs(recovery, rest)
        if keeping is not None:
            served = replace(recovery.served, before_send=keeping.before_send)
            recovery = replace(recovery, served=served)
            keeping.set_out()
            if logs is not None:
                # The server has them all in its folder, as if they were sent.
                keeping.before_send(served.stretches[-1].file, served.stretches[-1].stop)
        watch = self.watch(self.run, recovery, keeping)
        self.run.stage_started(APPLY, now())
        done = Replay(
            self.server, recovery.served, self.target, self.account, watch.progress, has, logs
        ).run()
        self.run.stage_ended(APPLY, now())
        if keeping is None or not keeping.done:
            return done
        together = done.passed.transactions + keeping.done
        return replace(done, passed=done.passed._replace(transactions=together))

    def _write_logs(self, recovery: Recovery, rest: Rest | None) -> WrittenLogs:
        """Write relay logs while no server has the folder, and start it again."""
        if self.keeping is not None and rest is not None:
            self.keeping.note_place(rest)
        with self._connect() as connection:
            forget_settings(connection, self.target)
        self.server.shut_down()
        if self.keeping is not None:
            self.keeping.note_ended()
        owner = self.work.target.stat()
        ids = (owner.st_uid, owner.st_gid)
        logs = write_logs(recovery.served, self.work.target, owner=ids, check=self.run.check)
        size = format_bytes(recovery.bytes_total)
        self.run.log(_SOURCE, f"{size} of relay logs are written")
        self._start()
        return logs

    def _connect(self) -> Connection[Any]:
        return self.server.connect(user=self.account.user, password=self.account.password)

    def _full_disk(self, error: BaseException) -> StageFailed | None:
        """Return the error of a full disk, where the server ended with one."""
        if not isinstance(error, EngineError | StageFailed):
            return None
        try:
            fail_if_disk_full(f"{error}\n{self.server.log.tail(100)}", self.work.target)
        except StageFailed as exc:
            return exc
        return None

    def _leave(self, error: BaseException) -> BaseException:
        """Leave a folder whose replay did not come to its end; return the error to raise."""
        # A server that was ended for it is no reason of its own.
        reason = self.run.stop_reason or error
        keeping = self.keeping
        if keeping is None or isinstance(reason, LeaseLost):
            return reason
        if isinstance(reason, Refused) and not keeping.under_way:
            return reason
        # Of the server; where the source cannot go on, no transaction failed.
        failed, rest = isinstance(reason, EngineError | StageFailed), None
        if keeping.under_way:
            rest = keeping.leave(self.server, self.target, self.account, failed=failed)
        kept = self.work.kept
        if kept is None or not isinstance(reason, MooringError):
            return reason
        text = str(reason)
        if rest is not None and rest.next is not None:
            text = f"{text}; {where_it_is(kept)}"
        return type(reason)(text, hint=kept.how_to_continue)


def _settings(usual: ServerOptions, target: ReplayTarget, grants: Path) -> ServerOptions:
    """Return how a restored server is started to replay."""
    return replace(
        usual,
        skip_grant_tables=False,
        reaches_us=True,
        server_id=_SERVER_ID,
        readable=(*usual.readable, grants),
        options={**usual.options, **target.options(), "init-file": str(grants)},
    )
