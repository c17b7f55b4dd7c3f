"""The interface of an engine: a consistent copy of a running instance, as records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from backups.archive.records import Record
from backups.engines.details import CopyDetails
from backups.exceptions import BadInput
from backups.logins.tls import NO_CERTIFICATES, Certificates, Tls
from backups.pacing.profile import PaceProfile
from backups.programs.compatibility import MARIADB_BACKUP
from backups.programs.private_server import PrivateServer
from backups.programs.redo_progress import RedoProgress
from backups.runners.base import Runner
from backups.table_names.choice import TableChoice, parse_choice

LOCK_WAIT_SECONDS = 60
# As in the states of a backup, which engines do not know. An engine always sends a full copy: what
# of it is stored is the archive's affair.
BLOCK_KINDS = frozenset({"full", "incremental", "differential"})
# That of chosen tables, which are named in the request.
PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in to an instance. A socket is used instead of host and port."""

    user: str
    password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 3306
    socket: str = ""
    tls: Tls = Tls.PREFERRED
    certificates: Certificates = NO_CERTIFICATES
    # The engine that will copy the instance; blank while its product is unknown.
    engine: str = MARIADB_BACKUP


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """What a finished copy is, read from the engine's metadata. None and "" are unknown."""

    from_lsn: int | None = None
    to_lsn: int | None = None
    binlog_file: str = ""
    binlog_position: int | None = None
    gtid_executed: str = ""
    server_version: str = ""
    tool_version: str = ""
    lock_time: timedelta | None = None
    details: CopyDetails = field(default_factory=CopyDetails)
    # What did not go as requested, although the copy is whole.
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What can be asked of a copy; an engine with options of its own derives its class."""

    # The longest wait for a lock on the instance: others queue behind it. None: the default.
    lock_wait_seconds: int | None = field(default=None, kw_only=True)
    # Of a partial backup: patterns of the tables that are in, and of those that are not.
    include: tuple[str, ...] | None = field(default=None, kw_only=True)
    exclude: tuple[str, ...] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        parse_choice(self.include or (), self.exclude or ())
        if self.lock_wait_seconds is not None and self.lock_wait_seconds < 1:
            raise BadInput(f"lock_wait_seconds is {self.lock_wait_seconds}: at least 1 is needed")

    @property
    def skipped_stages(self) -> frozenset[str]:
        """Sub-operations of the engine that a copy with these options does not have."""
        return frozenset()

    @property
    def lock_wait(self) -> int:
        """The longest wait for a lock, in seconds."""
        return self.lock_wait_seconds or LOCK_WAIT_SECONDS

    @property
    def choice(self) -> TableChoice | None:
        """The tables of a partial backup; None: all of the instance."""
        return parse_choice(self.include or (), self.exclude or ())

    @property
    def is_increment(self) -> bool:
        """Whether a partial backup stores what changed since the newest one of its tables."""
        return False


Options = TypeVar("Options", bound=EngineOptions, contravariant=True)
OwnOptions = TypeVar("OwnOptions", bound=EngineOptions, covariant=True)


@dataclass(frozen=True, slots=True)
class CopyRequest(Generic[OwnOptions]):
    """Which copy is wanted."""

    login: Login
    # What runs commands on the instance's host.
    runner: Runner
    options: OwnOptions
    threads: int = 1
    # Whether the archive hides what is in it.
    sealed: bool = False
    # May hold what has to wait.
    spool_folder: Path | None = None
    # Of a partial copy, as the server names files: "schema/table". None: everything.
    chosen: tuple[str, ...] | None = None
    # Hidden tables of those that are not in, named likewise; of a clone only.
    hidden_others: tuple[str, ...] = ()
    # Of the instance, as it reported it; blank is unknown.
    data_folder: str = ""


@dataclass(frozen=True, slots=True)
class HostKeys:
    """What the admin of this host named for files that are encrypted. Blank is none."""

    # The file MariaDB's file_key_management reads keys from, and the file with its password.
    key_file: str = ""
    key_file_password: str = ""
    # Where MariaDB's plugins are; blank asks the server.
    plugin_folder: str = ""


NO_KEYS = HostKeys()


class CopyObserver(Protocol):
    """Receives the progress of an engine's copy. Called from any thread; must not block."""

    def stage_started(self, name: str, at: datetime) -> None: ...

    def stage_ended(
        self, name: str, at: datetime, *, lock_time: timedelta | None = None, detail: str = ""
    ) -> None: ...

    def log(self, source: str, text: str, level: str = "info") -> None:
        """Log a line of the engine; ``level`` is info, warning or error."""
        ...

    def process_started(self, group: int, started: float) -> None:
        """Record a process group that the copy goes on with, in the thread of its records."""
        ...

    def expect(self, *, raw_bytes: int, files: int) -> None:
        """Record the expected size of the copy, as the engine now estimates it."""
        ...


class CopyStream(Protocol):
    """A copy in progress."""

    # The engine's process group and its start time (seconds since the epoch), when it has one.
    process: tuple[int, float] | None

    def records(self) -> Iterator[Record]:
        """Yield the copy, once. Raise EngineError as soon as the stream cannot be whole."""
        ...

    def facts(self) -> CopyFacts:
        """Return the facts after the last record; EngineError unless all signs mean success."""
        ...

    def stop(self) -> None:
        """End the engine and its descendants at once. From any thread, any number of times."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """The result of a prepare. Blank and None are unknown."""

    detail: str = ""
    binlog_file: str = ""
    binlog_position: int | None = None
    gtid_executed: str = ""
    # Whether a server was started on the files for it, and shut down in order.
    started: bool = False
    # Schema and name of tables whose rows were not part of the copy.
    left_out: frozenset[tuple[str, str]] = frozenset()
    # Tables that the backup is to have, and does not.
    lost: tuple[str, ...] = ()
    # A key file of which nothing shows whether it opens all of the copy; blank: it is not in doubt.
    unproved_keys: str = ""
    # Files, as paths in the copy, of tables that the instance had marked as crashed.
    marked_crashed: frozenset[str] = frozenset()
    # Host and port of every source that the copy's server replicated from.
    replica_of: tuple[str, ...] = ()


class PrepareWatch(Protocol):
    """Receives the progress of an engine's prepare, and may stop it."""

    def log(self, source: str, text: str, level: str = "info") -> None: ...

    def check(self) -> None:
        """Raise when the work must end; called between any two pieces of it."""
        ...

    def alive(self) -> None:
        """Record progress that has no log line."""
        ...

    def redo_applied(self, redo: RedoProgress) -> None:
        """Show how far the redo log is applied."""
        ...

    def process_started(self, group: int, started: float) -> None:
        """Record a process that would be orphaned if this one were killed."""
        ...

    def ending_by(self, hook: Callable[[], None]) -> AbstractContextManager[None]:
        """Inside, ``hook`` is called to unblock the thread when the work must end."""
        ...


class Engine(Protocol[Options]):
    """A way to copy an instance."""

    name: ClassVar[str]
    # The engine's own sub-operations, in the order in which they begin.
    stages: ClassVar[tuple[str, ...]]
    # Which kinds of backups it takes.
    kinds: ClassVar[frozenset[str]]
    # Whether commands must run on the instance's host: a tool, a data folder to read.
    needs_host: ClassVar[bool]
    # What can be asked of it beyond what every engine understands, and what it tells beyond that.
    options: ClassVar[type[EngineOptions]]
    details: ClassVar[type[CopyDetails]]
    # How it may be slowed while it copies.
    pacing: ClassVar[PaceProfile]

    def copy(
        self, request: CopyRequest[Options], observer: CopyObserver
    ) -> AbstractContextManager[CopyStream]:
        """Start a copy; leaving the context leaves no process and no secret behind."""
        ...

    def check_restore(
        self, backup: CopyFacts, server: str, *, starts: bool, keys: HostKeys = NO_KEYS
    ) -> str:
        """Return which programs will prepare such a copy on this host, or raise Refused.

        ``server`` is the path of the server program to use; blank leaves it to the engine.
        ``starts`` says that a server will also be started on the prepared files, ``keys`` what
        this host has for encrypted ones.
        """
        ...

    def start_options(self, folder: Path, keys: HostKeys = NO_KEYS) -> Mapping[str, str]:
        """Return the options any server needs to accept the files, as on its command line."""
        ...

    def prepare(
        self,
        folder: Path,
        watch: PrepareWatch,
        *,
        server: str,
        keys: HostKeys = NO_KEYS,
        memory_bytes: int | None = None,
    ) -> Prepared:
        """Make a raw copy in ``folder`` ready for a server, or raise EngineError.

        ``memory_bytes`` is for the buffer pool of what applies the redo log; None leaves it to
        the program.
        """
        ...

    def prepare_part(
        self, folder: Path, watch: PrepareWatch, *, server: str, keys: HostKeys = NO_KEYS
    ) -> None:
        """Make a part of a copy ready for a server: its redo log names files that are not there.

        EngineError where that cannot be done.
        """
        ...

    def restored_server(
        self,
        folder: Path,
        *,
        server: str,
        on_wait: Callable[[], None],
        keys: HostKeys = NO_KEYS,
    ) -> PrivateServer:
        """Return a server for a prepared copy, not started yet, without a login."""
        ...
