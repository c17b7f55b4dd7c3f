"""How is a copy made in two phases: quiet tables without the tool, all others with it?

First the quiet tables are read directly, without redo and without any lock. Then the tool copies
the rest and all redo since its checkpoint. Where a quiet table changed too early, what the tool
sent is dropped and it is run again with that table; where that happens once more, without any
quiet table: a normal copy. ``quiet`` has the argument why the result is right.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from backups.archive.records import (
    Data,
    FileClosed,
    FileOpened,
    FileRemoved,
    FileRenamed,
    Record,
)
from backups.engines.base import CopyFacts, CopyObserver, CopyRequest
from backups.engines.mariadb_backup.command import TOOL
from backups.engines.mariadb_backup.copying import MariadbCopy, run_tool
from backups.engines.mariadb_backup.log import BACKUP_LOCK, REDO_COPY
from backups.engines.mariadb_backup.metadata import MariadbDetails
from backups.engines.mariadb_backup.options import QUIET_TABLES, MariadbOptions
from backups.engines.mariadb_backup.quiet import (
    Looks,
    TableLook,
    choose_quiet,
    exclusion,
    find_changed,
)
from backups.engines.mariadb_backup.quiet_files import (
    NotQuiet,
    QuietReader,
    list_schemas,
    look_at,
    schema_of,
    with_identities,
)
from backups.engines.mariadb_backup.quiet_watch import QuietTablesChanged, QuietWatch, name_some
from backups.exceptions import EngineError
from backups.runners.local import LocalRunner
from backups.units import format_bytes, format_count

# With quiet tables; the next one is without.
MOST_ATTEMPTS = 2
SOURCE = "quiet tables"


@contextmanager
def optimistic_copy(
    request: CopyRequest[MariadbOptions], observer: CopyObserver
) -> Iterator[OptimisticCopy]:
    """Begin a copy in two phases; leaving the context leaves no process and no secret behind."""
    if request.runner.kind != LocalRunner.kind or not request.data_folder:
        raise EngineError(
            "an optimistic backup reads the data folder, which is not on the worker's host",
            hint="Take it without --optimistic, or run a worker on the instance's host.",
        )
    copy = OptimisticCopy(request, observer)
    try:
        yield copy
    finally:
        copy.close()


class OptimisticCopy:
    """A copy in progress."""

    def __init__(self, request: CopyRequest[MariadbOptions], observer: CopyObserver) -> None:
        self._request, self._observer = request, observer
        # A data folder may be reached by a link; nothing in it may be one.
        self._folder = Path(request.data_folder).resolve()
        self._reader = QuietReader(self._folder)
        self._quiet: dict[str, TableLook] = {}
        self._late: list[QuietTablesChanged] = []
        self._facts: CopyFacts | None = None
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._current: MariadbCopy | None = None
        self._stopped = False
        # Every tool has its own, which the observer gets.
        self.process: tuple[int, float] | None = None

    def records(self) -> Iterator[Record]:
        yield from self._copy_quiet()
        numbers = self._reader.numbers
        while True:
            yield from self._forget(find_changed(self._quiet, self._look()), "woke up")
            sent = _Sent(numbers)
            late = yield from self._copy_rest(sent)
            if late is None:
                return
            self._late.append(late)
            self._log(f"attempt {len(self._late)} is dropped: {late}", "warning")
            yield from sent.removed()
            numbers = sent.numbers
            ended = len(self._late) >= MOST_ATTEMPTS
            gone = frozenset(self._quiet) if ended else late.tables
            yield from self._forget(gone, "left to the tool")

    def facts(self) -> CopyFacts:
        if self._facts is None:
            raise EngineError("the engine's stream was not read to its end")
        return self._facts

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._current is not None:
                self._current.stop()

    def close(self) -> None:
        """End the tool, if it runs."""
        self.stop()
        self._stack.close()

    # The first phase

    def _copy_quiet(self) -> Iterator[Record]:
        self._observer.stage_started(QUIET_TABLES, datetime.now(UTC))
        looks = self._look_at_all()
        options = self._request.options
        chosen = choose_quiet(
            looks,
            now_ns=time.time_ns(),
            age_seconds=options.age_seconds,
            busy=options.busy_patterns,
        )
        for name in chosen:
            self._refuse_stopped()
            try:
                self._quiet[name] = yield from self._reader.copy(name, looks[name])
            except NotQuiet as exc:
                self._log(f"{name} is left to the tool: {exc}", "warning")
        detail = f"{format_count(len(self._quiet), 'table')}, {format_bytes(self._quiet_bytes)}"
        self._log(f"{detail} did not change for {options.age_seconds} s and were copied first")
        self._observer.stage_ended(QUIET_TABLES, datetime.now(UTC), detail=detail)

    def _look_at_all(self) -> Looks:
        try:
            return look_at(self._folder, list_schemas(self._folder))
        except OSError as exc:
            raise EngineError(
                f"the data folder {self._folder} cannot be read: {exc.strerror}",
                hint="Let the worker's user read it, or take the backup without --optimistic.",
            ) from None

    def _look(self) -> Looks:
        return look_at(self._folder, sorted({schema_of(name) for name in self._quiet}))

    def _look_deeper(self) -> Looks:
        return with_identities(self._folder, self._look(), self._quiet)

    @property
    def _quiet_bytes(self) -> int:
        return sum(look.size for look in self._quiet.values())

    # The second phase

    def _copy_rest(self, sent: _Sent) -> Generator[Record, None, QuietTablesChanged | None]:
        """Yield what the tool sends; return why that is not right together with the first."""
        watch = QuietWatch(dict(self._quiet), self._look, self._look_deeper)
        try:
            copy = self._start(watch)
            yield from sent.follow(copy.records())
            facts = copy.facts()
        except QuietTablesChanged as exc:
            self._end_stages()
            return exc
        finally:
            self._stack.close()
        if self._quiet and (late := watch.unproved()):
            return late
        self._facts = self._completed(facts)
        return None

    def _start(self, watch: QuietWatch) -> MariadbCopy:
        names = self._quiet
        with self._lock:
            self._refuse_stopped()
            self._current = self._stack.enter_context(
                run_tool(
                    self._request,
                    self._observer,
                    exclude=exclusion(names) if names else "",
                    watch=watch if names else None,
                )
            )
        if self._current.process is not None:
            self._observer.process_started(*self._current.process)
        return self._current

    def _forget(self, names: Collection[str], why: str) -> Iterator[Record]:
        """Drop the copies of tables, which the tool copies instead."""
        if names:
            self._log(f"{name_some(frozenset(names))}: {why}")
        for name in sorted(names):
            del self._quiet[name]
            for number in self._reader.files.pop(name):
                yield FileRemoved(number)

    def _end_stages(self) -> None:
        """Report that the tool was ended: it no longer reads redo or holds a lock."""
        for name in (REDO_COPY, BACKUP_LOCK):
            self._observer.stage_ended(name, datetime.now(UTC))

    def _completed(self, facts: CopyFacts) -> CopyFacts:
        details = facts.details
        assert isinstance(details, MariadbDetails)
        details = replace(
            details,
            # The tool's word for what it left out, which is here.
            partial=False,
            optimistic=bool(self._quiet),
            quiet_tables=len(self._quiet),
            quiet_bytes=self._quiet_bytes,
            late_attempts=len(self._late),
        )
        return replace(facts, details=details, problems=facts.problems + self._problems())

    def _problems(self) -> tuple[str, ...]:
        if self._quiet or not self._late:
            return ()
        return (f"a normal backup was taken instead of an optimistic one: {self._late[-1]}",)

    def _refuse_stopped(self) -> None:
        if self._stopped:
            raise EngineError(f"{TOOL} was stopped by Mooring")

    def _log(self, text: str, level: str = "info") -> None:
        self._observer.log(SOURCE, text, level)


class _Sent:
    """Numbers the files of one run of the tool after those before, and can remove them all."""

    def __init__(self, numbers: int) -> None:
        self._before = self.numbers = numbers
        self._present: set[int] = set()

    def follow(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            match record:
                case FileOpened(number, path):
                    yield FileOpened(self._opened(number), path)
                case Data(number, offset, payload):
                    yield Data(number + self._before, offset, payload)
                case FileClosed(number, size):
                    yield FileClosed(number + self._before, size)
                case FileRenamed(number, path):
                    yield FileRenamed(number + self._before, path)
                case FileRemoved(number):
                    self._present.discard(number + self._before)
                    yield FileRemoved(number + self._before)
                case _:
                    yield record

    def removed(self) -> Iterator[Record]:
        """Drop all of it."""
        for number in sorted(self._present):
            yield FileRemoved(number)
        self._present.clear()

    def _opened(self, number: int) -> int:
        shifted = number + self._before
        self.numbers = max(self.numbers, shifted)
        self._present.add(shifted)
        return shifted
