"""How does one run of the tool become a copy? Its stream becomes records, its log stages.

A copy is valid when the tool exited with 0, its last line is the end marker, its stream is
complete, and its metadata is valid; all four are required.
"""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol, cast

from backups.archive.records import Record
from backups.engines.base import CopyFacts, CopyObserver, CopyRequest, EngineOptions
from backups.engines.mariadb_backup.chunks import StreamCut
from backups.engines.mariadb_backup.command import (
    CHOSEN,
    SETTINGS,
    TOOL,
    backup_argv,
    build_chosen,
    build_settings,
    certificate_files,
)
from backups.engines.mariadb_backup.errors import build_error
from backups.engines.mariadb_backup.lock_watch import LockWatch
from backups.engines.mariadb_backup.log import LogReader, StageEnded, StageStarted, ToolLogLine
from backups.engines.mariadb_backup.lost_tables import LostTables
from backups.engines.mariadb_backup.mbstream import read_records
from backups.engines.mariadb_backup.metadata import MetadataCollector, parse_facts
from backups.exceptions import EngineError, LockNotGranted
from backups.runners.base import Runner, RunningCommand

# A line of the log longer than this is cut into several.
LINE_BYTES = 1 << 16
# What a runner needs to recognise its own errors: the first and the last lines.
FIRST_LINES = 20
LAST_LINES = 20
READ_THE_LOG = "Read the job's log for earlier messages, and take the backup again."


class LineWatch(Protocol):
    """Follows the tool's log beside those who show it."""

    def feed(self, line: str) -> EngineError | None:
        """Take a line; return an error because of which the tool is to end at once."""
        ...


@contextlib.contextmanager
def run_tool(
    request: CopyRequest[EngineOptions],
    observer: CopyObserver,
    *,
    exclude: str = "",
    watch: LineWatch | None = None,
) -> Iterator[MariadbCopy]:
    """Start the tool; leaving the context leaves no process and no secret behind.

    ``exclude`` is a regular expression of tables that it leaves out.
    """
    login, runner = request.login, request.runner
    settings = {SETTINGS: build_settings(login), **certificate_files(login)}
    if request.chosen is not None:
        settings[CHOSEN] = build_chosen(request.chosen)
    chosen = request.chosen is not None
    argv = backup_argv(login, threads=request.threads, chosen=chosen, exclude=exclude)
    with runner.start(argv, secret_files=settings) as command:
        log = LogReader([login.password])
        listener = _Listener(command, observer, log, request.options.lock_wait, watch)
        try:
            yield MariadbCopy(runner, argv, command, listener)
        finally:
            command.stop()
            listener.join()


class MariadbCopy:
    """A copy in progress."""

    def __init__(
        self, runner: Runner, argv: list[str], command: RunningCommand, listener: _Listener
    ) -> None:
        self._runner, self._argv = runner, argv
        self._command, self._listener = command, listener
        self._metadata, self._lost = MetadataCollector(), LostTables()
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
            records = self._lost.follow(read_records(self._command.stdout))
            yield from self._metadata.watch(records)
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
        log = self._listener.log
        return replace(facts, lock_time=log.lock_time, problems=self._lost.problems(log.ignored))

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


class _Listener:
    """Reads the tool's log in a thread and reports to the observer."""

    def __init__(
        self,
        command: RunningCommand,
        observer: CopyObserver,
        log: LogReader,
        lock_wait: float,
        watch: LineWatch | None,
    ) -> None:
        self.log, self._watch = log, watch
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
                if self._watch is not None and (error := self._watch.feed(text)):
                    self._end_by(error)
                for event in events:
                    self._tell(event)
            except Exception as exc:
                self.failure = self.failure or exc
        self._lock_watch.close()
        # The pipe belongs to the command, which closes it.
        self._source.detach()

    def _give_up_lock(self) -> None:
        """End the tool: whatever wants a lock on the instance queues behind its wait."""
        self._end_by(LockNotGranted(f"{TOOL} gave up its wait for a lock on the instance"))

    def _end_by(self, error: EngineError) -> None:
        self.failure = self.failure or error
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
