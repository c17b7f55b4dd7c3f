"""How does mariadb-backup make a copy?

Thin: the options are in ``command``, the stream in ``mbstream``, the log in ``log``, the facts in
``metadata``. A copy is valid when the tool exited with 0, its last line is the end marker, its
stream is complete, and its metadata is valid; all four are required.
"""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, cast

from backups.archive.records import Record
from backups.engines.base import (
    BLOCK_KINDS,
    NO_KEYS,
    CopyFacts,
    CopyObserver,
    CopyRequest,
    EngineOptions,
    HostKeys,
    Prepared,
    PrepareWatch,
)
from backups.engines.details import CopyDetails
from backups.engines.foreign_files import remove_foreign
from backups.engines.mariadb_backup.aria_marks import marked_tables
from backups.engines.mariadb_backup.chunks import StreamCut
from backups.engines.mariadb_backup.command import (
    SETTINGS,
    TOOL,
    backup_argv,
    build_settings,
    certificate_files,
    prepare_argv,
)
from backups.engines.mariadb_backup.errors import build_error, check_prepare
from backups.engines.mariadb_backup.fitting import check_restore
from backups.engines.mariadb_backup.host_plugins import engines_here, readable_paths
from backups.engines.mariadb_backup.key_proof import judge_failure, prove_keys, unproved_keys
from backups.engines.mariadb_backup.lock_watch import LockWatch
from backups.engines.mariadb_backup.log import (
    BACKUP_LOCK,
    REDO_COPY,
    STAGES,
    LogReader,
    StageEnded,
    StageStarted,
    ToolLogLine,
)
from backups.engines.mariadb_backup.mbstream import read_records
from backups.engines.mariadb_backup.metadata import (
    MariadbDetails,
    MetadataCollector,
    parse_facts,
    read_end_lsn,
)
from backups.engines.mariadb_backup.restored import prepare_settings, server_options
from backups.engines.mariadb_backup.shaping import SETTINGS_FILE, read_shaping
from backups.engines.mariadb_backup.undecided import RestoredMariadb
from backups.exceptions import EngineError, LockNotGranted
from backups.pacing.profile import PaceProfile, RedoRace
from backups.programs.disk_full import fail_if_disk_full
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.programs.redo_progress import RedoProgress
from backups.runners.base import Runner, RunningCommand
from backups.runners.local import LocalRunner
from backups.runners.sandbox import Sandbox
from backups.units import format_count

# A line of the log longer than this is cut into several.
LINE_BYTES = 1 << 16
# What a runner needs to recognise its own errors: the first and the last lines.
FIRST_LINES = 20
LAST_LINES = 20
READ_THE_LOG = "Read the job's log for earlier messages, and take the backup again."


class MariadbBackup:
    """Copies an instance of MariaDB with its own tool, on the instance's host."""

    name: ClassVar[str] = "mariadb_backup"
    stages: ClassVar[tuple[str, ...]] = STAGES
    kinds: ClassVar[frozenset[str]] = BLOCK_KINDS
    needs_host: ClassVar[bool] = True
    options: ClassVar[type[EngineOptions]] = EngineOptions
    details: ClassVar[type[CopyDetails]] = MariadbDetails
    pacing: ClassVar[PaceProfile] = PaceProfile(
        race=RedoRace.OVERWRITTEN,
        race_from=REDO_COPY,
        race_until=REDO_COPY,
        redo_file="ib_logfile0",
        locked=frozenset({BACKUP_LOCK}),
    )

    @contextlib.contextmanager
    def copy(
        self, request: CopyRequest[EngineOptions], observer: CopyObserver
    ) -> Iterator[MariadbCopy]:
        login, runner = request.login, request.runner
        settings = {SETTINGS: build_settings(login), **certificate_files(login)}
        argv = backup_argv(login, threads=request.threads)
        with runner.start(argv, secret_files=settings) as command:
            log = LogReader([login.password])
            listener = _Listener(command, observer, log, request.options.lock_wait)
            try:
                yield MariadbCopy(runner, argv, command, listener)
            finally:
                command.stop()
                listener.join()

    def check_restore(
        self, backup: CopyFacts, server: str, *, starts: bool, keys: HostKeys = NO_KEYS
    ) -> str:
        return check_restore(backup, starts=starts, keys=keys)

    def start_options(self, folder: Path, keys: HostKeys = NO_KEYS) -> Mapping[str, str]:
        return server_options(folder, keys)

    def prepare(
        self,
        folder: Path,
        watch: PrepareWatch,
        *,
        server: str,
        keys: HostKeys = NO_KEYS,
        memory_bytes: int | None = None,
    ) -> Prepared:
        links = _remove_foreign(folder, watch)
        settings = {SETTINGS: prepare_settings(folder, keys)}
        shaping = read_shaping(folder)
        proved = prove_keys(folder, shaping, keys, watch.check)
        marked = marked_tables(folder)
        argv = prepare_argv(str(folder), memory_bytes=memory_bytes)
        owner = folder.stat()
        sandbox = Sandbox((folder,), readable_paths(keys), (owner.st_uid, owner.st_gid))
        with (
            LocalRunner(sandbox).start(argv, secret_files=settings) as command,
            watch.ending_by(command.stop),
        ):
            watch.process_started(*command.process)
            output = _relay(command, watch, folder)
            exit_code = command.wait()
        watch.check()
        try:
            check_prepare(exit_code, output)
        except EngineError as exc:
            raise judge_failure(exc, output, shaping, keys, proved) from None
        return Prepared(
            detail=f"{format_count(links, 'table')} moved in from other folders" if links else "",
            unproved_keys=unproved_keys(shaping, keys, proved),
            marked_crashed=marked,
        )

    def prepare_part(
        self, folder: Path, watch: PrepareWatch, *, server: str, keys: HostKeys = NO_KEYS
    ) -> None:
        # It passes over what is not there.
        self.prepare(folder, watch, server=server, keys=keys)

    def restored_server(
        self,
        folder: Path,
        *,
        server: str,
        on_wait: Callable[[], None],
        keys: HostKeys = NO_KEYS,
    ) -> PrivateServer:
        settings = ServerOptions(
            skip_grant_tables=True,
            confined=True,
            readable=readable_paths(keys),
            options=server_options(folder, keys, engines_here(folder, keys)),
        )
        return RestoredMariadb(folder, settings, on_wait=on_wait)


class MariadbCopy:
    """A copy in progress."""

    def __init__(
        self, runner: Runner, argv: list[str], command: RunningCommand, listener: _Listener
    ) -> None:
        self._runner, self._argv = runner, argv
        self._command, self._listener = command, listener
        self._metadata = MetadataCollector()
        self._whole = self._stopped = False
        self.process: tuple[int, float] | None = command.process

    def records(self) -> Iterator[Record]:
        try:
            yield from self._records()
        except EngineError as exc:
            exc.hint = exc.hint or READ_THE_LOG
            raise

    def _records(self) -> Iterator[Record]:
        try:
            yield from self._metadata.watch(read_records(self._command.stdout))
        except StreamCut as exc:
            # The tool has ended, and its log has the reason.
            self._raise_failure(str(exc))
            raise
        except EngineError:
            self.stop()
            raise
        self._whole = True
        self._check_end()

    def facts(self) -> CopyFacts:
        if not self._whole:
            raise EngineError("the engine's stream was not read to its end")
        self._check_end()
        facts = parse_facts(self._metadata.texts())
        return replace(facts, lock_time=self._listener.log.lock_time)

    def stop(self) -> None:
        self._stopped = True
        self._command.stop()

    def _check_end(self) -> None:
        self._raise_failure()
        if not self._listener.log.completed:
            raise EngineError(
                f"{TOOL} did not report completion: {self._listener.log.last}",
                hint="Read the job's log, and do not use this copy.",
            )

    def _raise_failure(self, otherwise: str = "") -> None:
        """Raise the error of the tool, or of the runner, if the tool failed."""
        exit_code = self._command.wait()
        self._listener.join()
        if self._listener.failure is not None:
            raise self._listener.failure
        if not exit_code:
            return
        if self._stopped:
            raise EngineError(f"{TOOL} was stopped by Mooring")
        output = self._listener.excerpt()
        raise self._runner.failure(self._argv, exit_code, output) or build_error(
            exit_code, self._listener.log, otherwise=otherwise
        )


def _remove_foreign(folder: Path, watch: PrepareWatch) -> int:
    """Remove what a program would follow or read as options; return how many were links."""
    removed = remove_foreign(folder, kept=SETTINGS_FILE)
    links = [name for name in removed if name.endswith(".isl")]
    for name in sorted(set(removed) - set(links)):
        watch.log("mooring", f"removed {name}: no backup of MariaDB holds such a file", "warning")
    return len(links)


def _relay(command: RunningCommand, watch: PrepareWatch, folder: Path) -> str:
    """Log the tool's output line by line; return all of it.

    On a full disk it would repeat the same lines for ever, which is no evidence on the backup.
    """
    output: list[str] = []
    redo = RedoProgress(read_end_lsn(folder))
    watch.redo_applied(redo)
    with io.BufferedReader(cast(io.RawIOBase, command.stderr)) as source:
        for line in source:
            output.append(line.decode("utf-8", errors="replace").rstrip())
            watch.log(TOOL, output[-1])
            if redo.feed(output[-1], time.monotonic()):
                watch.redo_applied(redo)
            fail_if_disk_full(output[-1], folder)
    return "\n".join(output)


class _Listener:
    """Reads the tool's log in a thread and reports to the observer."""

    def __init__(
        self, command: RunningCommand, observer: CopyObserver, log: LogReader, lock_wait: float
    ) -> None:
        self.log = log
        self._command = command
        self._lock_watch = LockWatch(lock_wait, self._give_up_lock)
        self._first: list[str] = []
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        # An error of the observer: the log is still read to its end, or the tool would block.
        self.failure: Exception | None = None
        self._observer = observer
        self._source = io.BufferedReader(cast(io.RawIOBase, command.stderr), LINE_BYTES)
        self._thread = threading.Thread(target=self._listen, name="engine-log", daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def excerpt(self) -> str:
        """Return the first and the last lines of the log."""
        return "\n".join([*self._first, *self._last])

    def _listen(self) -> None:
        while line := self._source.readline(LINE_BYTES):
            text = line.decode("utf-8", errors="replace").rstrip("\r\n")
            (self._first if len(self._first) < FIRST_LINES else self._last).append(text)
            self._lock_watch.feed(text)
            events = self.log.feed(text, time.monotonic())
            try:
                for event in events:
                    self._tell(event)
            except Exception as exc:
                self.failure = self.failure or exc
        self._lock_watch.close()
        # The pipe belongs to the command, which closes it.
        self._source.detach()

    def _give_up_lock(self) -> None:
        """End the tool: whatever wants a lock on the instance queues behind its wait."""
        self.failure = self.failure or LockNotGranted(
            f"{TOOL} gave up its wait for a lock on the instance"
        )
        self._command.stop()

    def _tell(self, event: ToolLogLine | StageStarted | StageEnded) -> None:
        now = datetime.now(UTC)
        match event:
            case ToolLogLine(text, level):
                self._observer.log(TOOL, text, level)
            case StageStarted(name):
                self._observer.stage_started(name, now)
            case StageEnded(name, lock_time, detail):
                self._observer.stage_ended(name, now, lock_time=lock_time, detail=detail)
