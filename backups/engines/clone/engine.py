"""How is a MySQL server copied by its clone protocol?

Thin: the protocol is in ``backups.clone_protocol``, the mapping of its records in ``mapping``,
what it leaves out in ``donor``, and the restore of a copy in ``restored``. A copy is valid when
the donor has reported that all is sent and every file was closed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pymysql
from pymysql.connections import Connection

from backups.archive.records import Record
from backups.clone_protocol import (
    CloneRecord,
    CloneStream,
    Endpoint,
    State,
    StateEnded,
    StateStarted,
    clone,
)
from backups.clone_protocol.client import DDL_BIT_SINCE, may_skip_lock
from backups.engines.base import (
    BLOCK_KINDS,
    NO_KEYS,
    PARTIAL,
    CopyFacts,
    CopyObserver,
    CopyRequest,
    EngineOptions,
    HostKeys,
    Prepared,
    PrepareWatch,
)
from backups.engines.clone.chosen_files import ChosenFiles
from backups.engines.clone.details import CloneDetails, CloneOptions
from backups.engines.clone.donor import (
    DonorSettings,
    chosen_tables,
    fetch_gtids,
    fetch_settings,
)
from backups.engines.clone.keyring import KEYRING_FILE, keyring_of
from backups.engines.clone.mapping import ArchiveMapping
from backups.engines.clone.part import ask_position_again, prepare_part
from backups.engines.clone.restored import (
    DONOR_FILE,
    REPLACE_FILES,
    check_restore,
    describe_donor,
    prepare,
    read_donor,
    read_donor_choice,
    restored_server,
    server_options,
)
from backups.engines.clone.saving import TableSaver
from backups.engines.details import CopyDetails
from backups.exceptions import EngineError
from backups.pacing.profile import PaceProfile, RedoRace
from backups.programs.compatibility import parse_version
from backups.programs.private_server import PrivateServer
from backups.units import format_bytes, format_count

NAMES = {
    State.INIT: "init",
    State.FILE_COPY: "file copy",
    State.PAGE_COPY: "page copy",
    State.REDO_COPY: "redo copy",
    State.DONE: "finish",
}
MAX_WORKERS = 15
# More than the spool writes for a connection that waits: 8 MiB, or a block of 4, in 15 s.
LEAST_BYTES_PER_S_PER_CONNECTION = 1 << 20
# Make the first start of a server create what the clone left out, and record its position.
MARKERS = ("#clone/#status_fix", REPLACE_FILES)


class CloneEngine:
    """Copies an instance of MySQL over its port, as a client of the clone protocol."""

    name: ClassVar[str] = "clone"
    stages: ClassVar[tuple[str, ...]] = tuple(NAMES.values())
    kinds: ClassVar[frozenset[str]] = BLOCK_KINDS | {PARTIAL}
    needs_host: ClassVar[bool] = False
    options: ClassVar[type[EngineOptions]] = CloneOptions
    details: ClassVar[type[CopyDetails]] = CloneDetails
    pacing: ClassVar[PaceProfile] = PaceProfile(
        race=RedoRace.KEPT,
        race_from=NAMES[State.PAGE_COPY],
        race_until=NAMES[State.REDO_COPY],
        # Tables that are saved by SELECT are locked one by one.
        locked=frozenset({NAMES[State.DONE]}),
        # An older one blocks DDL until the copy has ended.
        locks_before=DDL_BIT_SINCE,
        # A donor gives up on a connection that is not read for a minute.
        least_bytes_per_s_per_thread=LEAST_BYTES_PER_S_PER_CONNECTION,
    )

    @contextlib.contextmanager
    def copy(
        self, request: CopyRequest[CloneOptions], observer: CopyObserver
    ) -> Iterator[CloneCopy]:
        login = request.login
        endpoint = Endpoint(
            login.user,
            login.password,
            login.host,
            login.port,
            login.socket,
            login.tls,
            login.certificates,
        )
        observer.stage_started(NAMES[State.INIT], datetime.now(UTC))
        before = _ask(endpoint, fetch_gtids)
        options = request.options
        with clone(
            endpoint.connect,
            workers=min(max(request.threads, 1) - 1, MAX_WORKERS),
            spool_folder=request.spool_folder,
            ddl_timeout_seconds=options.lock_wait,
        ) as stream:
            saver = None
            if options.save_foreign_tables:
                saver = TableSaver(endpoint.connect, lock_wait_seconds=options.lock_wait)
            try:
                yield CloneCopy(stream, endpoint, observer, before, saver, request)
            finally:
                if saver is not None:
                    saver.stop()

    def check_restore(
        self, backup: CopyFacts, server: str, *, starts: bool, keys: HostKeys = NO_KEYS
    ) -> str:
        return check_restore(backup, server)

    def start_options(self, folder: Path, keys: HostKeys = NO_KEYS) -> Mapping[str, str]:
        encrypted = keyring_of(folder) is not None
        return server_options(read_donor(folder), encrypted=encrypted)

    def prepare(
        self,
        folder: Path,
        watch: PrepareWatch,
        *,
        server: str,
        keys: HostKeys = NO_KEYS,
        memory_bytes: int | None = None,
    ) -> Prepared:
        if read_donor_choice(read_donor(folder)) is not None:
            prepare_part(folder, watch, server=server, memory_bytes=memory_bytes)
            ask_position_again(folder)
        return prepare(folder, watch, server=server, memory_bytes=memory_bytes)

    def prepare_part(
        self, folder: Path, watch: PrepareWatch, *, server: str, keys: HostKeys = NO_KEYS
    ) -> None:
        prepare_part(folder, watch, server=server)

    def restored_server(
        self,
        folder: Path,
        *,
        server: str,
        on_wait: Callable[[], None],
        keys: HostKeys = NO_KEYS,
    ) -> PrivateServer:
        return restored_server(folder, server=server, on_wait=on_wait)


class CloneCopy:
    """A copy in progress."""

    # There is no local process: the donor notices when the connection ends.
    process: tuple[int, float] | None = None

    def __init__(
        self,
        stream: CloneStream,
        endpoint: Endpoint,
        observer: CopyObserver,
        gtids_before: str,
        saver: TableSaver | None,
        request: CopyRequest[CloneOptions],
    ) -> None:
        self._sealed, self._choice = request.sealed, request.options.choice
        self._chosen: ChosenFiles | None = None
        if request.chosen is not None:
            self._chosen = ChosenFiles(request.chosen, request.hidden_others)
        self._stream, self._endpoint, self._observer = stream, endpoint, observer
        self._saver = saver
        self._gtids_before, self._gtids_after = gtids_before, ""
        self._began = time.monotonic()
        self._expected_bytes = self._expected_files = 0
        self._lock_time: timedelta | None = None
        self._mapping: ArchiveMapping | None = None
        self._settings: DonorSettings | None = None
        self._whole = False

    def records(self) -> Iterator[Record]:
        donor = self._stream.donor
        version = parse_version(donor.configuration.get("version", "") or donor.server_version)
        if version is None:
            raise EngineError(f"the donor's version cannot be read: {donor.server_version}")
        mapping = self._mapping = ArchiveMapping(version, sealed=self._sealed, chosen=self._chosen)
        for record in self._stream.records():
            self._tell(record, mapping)
            yield from mapping.take(record)
        yield from self._extra_files(mapping)
        self._lock_time = self._locked_for()
        count = self._stream.attached_workers + 1
        detail = f"{count} connection{'s' if count > 1 else ''} for data"
        if self._saver is not None:
            detail += f", {format_count(len(self._saver.saved), 'table')} saved by SELECT"
        self._end(State.DONE, detail)
        self._whole = True

    def facts(self) -> CopyFacts:
        if not self._whole or self._mapping is None or self._settings is None:
            raise EngineError("the clone was not read to its end")
        donor, figures = self._stream.donor, self._mapping.figures
        if figures.checkpoint_lsn is None:
            raise EngineError(
                "the clone has no redo header with a checkpoint: no server can recover it",
                hint="Read the job's log, and do not use this copy.",
            )
        variables, foreign = self._settings.variables, self._settings.foreign_tables
        encrypted_files = self._mapping.keys.file_count
        return CopyFacts(
            from_lsn=0,
            to_lsn=figures.checkpoint_lsn,
            server_version=donor.server_version,
            lock_time=self._lock_time,
            details=CloneDetails(
                protocol=f"{donor.protocol:#06x}",
                server_uuid=variables.get("server_uuid"),
                page_size=_number(donor.configuration.get("innodb_page_size")),
                gtid_executed_before=self._gtids_before,
                gtid_executed_after=self._gtids_after,
                pages_sent_again=figures.pages_sent_again,
                redo_bytes=figures.redo_bytes,
                plugins=", ".join(plugin.name for plugin in donor.plugins),
                configuration=dict(donor.configuration),
                lower_case_table_names=_number(variables.get("lower_case_table_names")),
                encrypted_files=encrypted_files,
                keyring_file=KEYRING_FILE if encrypted_files else None,
                external_files=figures.external_files,
                foreign_tables=None if foreign is None else len(foreign),
                saved_tables=len(self._saver.saved) if self._saver else 0,
                spilled_bytes=self._stream.spilled_bytes,
                dropped_bytes=None if self._chosen is None else figures.dropped_bytes,
            ),
            problems=_strayed(figures.strayed),
        )

    def stop(self) -> None:
        self._stream.stop()
        if self._saver is not None:
            self._saver.stop()

    def _extra_files(self, mapping: ArchiveMapping) -> Iterator[Record]:
        """Yield the files that a clone lacks, read while the donor is still connected."""
        self._gtids_after = _ask(self._endpoint, fetch_gtids)
        self._settings = _ask(self._endpoint, fetch_settings)
        # Refuses a configuration that no restored server could have.
        server_options({"variables": self._settings.variables})
        if self._saver is not None:
            yield from self._foreign_tables(self._saver, mapping, self._settings)
        described = describe_donor(
            self._stream.donor,
            self._settings,
            mapping.figures,
            self._gtids_before,
            self._saver.saved if self._saver else (),
            self._choice,
        )
        yield from mapping.add_file(DONOR_FILE, described)
        if keyring := mapping.keys.keyring():
            yield from mapping.add_file(KEYRING_FILE, keyring)
        for path in MARKERS:
            yield from mapping.add_file(path)

    def _foreign_tables(
        self, saver: TableSaver, mapping: ArchiveMapping, settings: DonorSettings
    ) -> Iterator[Record]:
        if settings.foreign_tables is None:
            raise EngineError("the account may not see the tables of other engines")
        tables = chosen_tables(settings, self._choice)
        self._expected_bytes += sum(table["size_bytes"] for table in tables)
        self._expected_files += len(tables)
        self._expect()
        for path, content in saver.save(tables):
            self._observer.log("clone", f"saving {path}")
            yield from mapping.stream_file(path, content)

    def _tell(self, record: CloneRecord, mapping: ArchiveMapping) -> None:
        match record:
            case StateStarted(state, files, estimated_bytes):
                self._expected_bytes += estimated_bytes
                if state in (State.FILE_COPY, State.REDO_COPY):
                    self._expected_files += files
                self._expect()
                self._observer.stage_started(NAMES[state], datetime.now(UTC))
                self._observer.log(
                    "clone",
                    f"{NAMES[state]}: {files} files, {format_bytes(estimated_bytes)} at most",
                )
            case StateEnded(state):
                self._end(state, _detail(state, mapping))

    def _expect(self) -> None:
        # Of a partial backup the donor's estimates say nothing: those before the copy stand.
        if self._chosen is None:
            self._observer.expect(raw_bytes=self._expected_bytes, files=self._expected_files)

    def _end(self, state: State, detail: str) -> None:
        self._observer.stage_ended(
            NAMES[state],
            datetime.now(UTC),
            lock_time=self._lock_time if state is State.DONE else None,
            detail=detail,
        )

    def _locked_for(self) -> timedelta:
        """Return the lock time: old donors hold the backup lock, which blocks DDL, throughout."""
        if may_skip_lock(self._stream.donor.server_version):
            return timedelta(seconds=self._saver.locked_seconds if self._saver else 0)
        return timedelta(seconds=time.monotonic() - self._began)


def _detail(state: State, mapping: ArchiveMapping) -> str:
    figures = mapping.figures
    match state:
        case State.FILE_COPY:
            kept = f"{figures.data_files} files, {format_bytes(figures.file_bytes)}"
            if not figures.dropped_files:
                return kept
            others = format_count(figures.dropped_files, "file")
            return f"{kept}; {others} of {format_bytes(figures.dropped_bytes)} not kept"
        case State.PAGE_COPY:
            again = f"{format_count(figures.pages_sent_again, 'page')} sent again"
            return f"{again}, {format_bytes(figures.page_bytes)}"
        case State.REDO_COPY:
            return f"{figures.redo_files} redo files, {format_bytes(figures.redo_bytes)}"
        case _:
            return ""


def _strayed(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the problem of a partial copy whose tables swapped files with others; or nothing."""
    # Of an ALTER TABLE, as a server names its files in work.
    names = sorted({path for path in paths if "#sql" not in path})
    if not names:
        return ()
    files = format_count(len(names), "file")
    return (
        f"{files} of chosen tables renamed from or to others during the copy and not in it: "
        f"{', '.join(names[:5])}",
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


# Any: each query returns its own type.
def _ask(endpoint: Endpoint, question: Callable[[Connection[Any]], Any]) -> Any:
    try:
        with contextlib.closing(endpoint.connect()) as connection:
            return question(connection)
    except (pymysql.err.Error, OSError) as exc:
        reason = exc.args[-1] if exc.args else type(exc).__name__
        raise EngineError(f"query failed on the donor: {reason}") from None
