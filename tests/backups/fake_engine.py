"""An engine that copies files from memory, and goes wrong in the ways engines do."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

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
from backups.engines.mariadb_backup import MariadbDetails
from backups.exceptions import EngineError
from backups.pacing.profile import NOT_PACED, PaceProfile
from backups.programs.private_server import PrivateServer
from backups.programs.redo_progress import RedoProgress
from tests.backups.archive.stores import records_of

FILES = {
    "ibdata1": b"system" * 5000,
    "shop/orders.ibd": b"orders" * 9000,
    "shop/orders.frm": b"definition",
    "shop/visits.MYD": bytes(70_000),
    "mooring_info": b"lsn 4711",
}
LOCK_TIME = timedelta(milliseconds=40)


@dataclass(frozen=True, slots=True)
class FakeOptions(EngineOptions):
    throttle: int | None = None


@dataclass
class FakeEngine:
    """Copies ``files``; each kind of trouble comes after that many records."""

    name: ClassVar[str] = "fake"
    stages: ClassVar[tuple[str, ...]] = ("file copy", "backup lock", "finish")
    kinds: ClassVar[frozenset[str]] = BLOCK_KINDS
    needs_host: ClassVar[bool] = False
    options: ClassVar[type[EngineOptions]] = FakeOptions
    details: ClassVar[type[CopyDetails]] = MariadbDetails
    pacing: ClassVar[PaceProfile] = NOT_PACED

    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    fails_after: int | None = None
    failure: BaseException = field(
        default_factory=lambda: EngineError("the fake tool exited with 1", hint="Repair the fake.")
    )
    blocks_after: int | None = None
    # Whether the end of a block is not an end of the copy.
    goes_on: bool = False
    end_marker: bool = True
    chatter: int = 0
    prepare_failure: EngineError | None = None
    # What it logs while it prepares, and what it was given for it.
    redo_lines: tuple[str, ...] = ()
    memory_bytes: int | None = None
    # Its files start no server.
    prepared: Prepared = field(default_factory=lambda: Prepared(started=True))
    # Where a test waits for a copy, and a copy for a test.
    blocked: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    # Where a stopped copy waits for a test; None: it ends at once.
    released: threading.Event | None = None
    copies: int = 0

    @contextlib.contextmanager
    def copy(self, request: CopyRequest[FakeOptions], observer: CopyObserver) -> Iterator[FakeCopy]:
        self.copies += 1
        yield FakeCopy(self, observer)

    def check_restore(
        self, backup: CopyFacts, server: str, *, starts: bool, keys: HostKeys = NO_KEYS
    ) -> str:
        return server

    def start_options(self, folder: Path, keys: HostKeys = NO_KEYS) -> dict[str, str]:
        return {"innodb-page-size": "16384"}

    def prepare(
        self,
        folder: Path,
        watch: PrepareWatch,
        *,
        server: str,
        keys: HostKeys = NO_KEYS,
        memory_bytes: int | None = None,
    ) -> Prepared:
        if self.prepare_failure is not None:
            raise self.prepare_failure
        assert folder.is_dir()
        self.memory_bytes = memory_bytes
        redo = RedoProgress()
        for second, line in enumerate(self.redo_lines):
            redo.feed(line, second)
            watch.redo_applied(redo)
        return self.prepared

    def prepare_part(
        self, folder: Path, watch: PrepareWatch, *, server: str, keys: HostKeys = NO_KEYS
    ) -> None:
        self.prepare(folder, watch, server=server, keys=keys)

    def restored_server(
        self,
        folder: Path,
        *,
        server: str,
        on_wait: Callable[[], None],
        keys: HostKeys = NO_KEYS,
    ) -> PrivateServer:
        return PrivateServer(folder, on_wait=on_wait)


class FakeCopy:
    """A copy in progress."""

    process: tuple[int, float] | None = None

    def __init__(self, engine: FakeEngine, observer: CopyObserver) -> None:
        self._engine, self._observer = engine, observer

    def records(self) -> Iterator[Record]:
        engine, observer = self._engine, self._observer
        observer.expect(raw_bytes=sum(map(len, engine.files.values())), files=len(engine.files))
        observer.stage_started("file copy", datetime.now(UTC))
        for number in range(engine.chatter):
            observer.log("fake", f"line {number}")
        observer.log("fake", "copying shop/orders.ibd")
        for count, record in enumerate(records_of(engine.files)):
            self._go_wrong(count)
            yield record
        observer.stage_ended("file copy", datetime.now(UTC))
        observer.stage_started("backup lock", datetime.now(UTC))
        observer.stage_ended("backup lock", datetime.now(UTC), lock_time=LOCK_TIME)

    def _go_wrong(self, count: int) -> None:
        engine = self._engine
        if count == engine.fails_after:
            raise engine.failure
        if count == engine.blocks_after:
            engine.blocked.set()
            engine.stopped.wait()
            if engine.released is not None:
                engine.released.wait()
            if not engine.goes_on:
                raise EngineError("the fake tool was stopped")

    def facts(self) -> CopyFacts:
        if not self._engine.end_marker:
            raise EngineError("the fake tool did not report completion")
        return CopyFacts(
            from_lsn=0,
            to_lsn=4711,
            binlog_file="binlog.000007",
            binlog_position=815,
            gtid_executed="0-1-42",
            server_version="10.11.14-MariaDB-log",
            tool_version="10.11.14",
            lock_time=LOCK_TIME,
            details=MariadbDetails(backup_type="full-backuped"),
        )

    def stop(self) -> None:
        self._engine.stopped.set()
