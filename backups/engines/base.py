"""What every engine offers: a consistent copy of a running instance, as records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Protocol

from backups.archive.records import Record
from backups.programs.compatibility import MARIADB_BACKUP
from backups.programs.private_server import PrivateServer
from backups.runners.base import Runner
from backups.tls import Tls


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in to an instance. A socket is used instead of host and port."""

    user: str
    password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 3306
    socket: str = ""
    tls: Tls = Tls.PREFERRED
    # What will copy the instance; blank while nobody knows whose server it is.
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
    # Anything more, by the engine's own name for it.
    more: dict[str, str] = field(default_factory=dict)


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
    """Hears what an engine does while it copies. Called from any thread; must not block."""

    def stage_started(self, name: str, at: datetime) -> None: ...

    def stage_ended(
        self, name: str, at: datetime, *, lock_time: timedelta | None = None, detail: str = ""
    ) -> None: ...

    def log(self, source: str, text: str, level: str = "info") -> None:
        """Pass on a line the engine said; ``level`` is info, warning or error."""
        ...

    def expect(self, *, raw_bytes: int, files: int) -> None:
        """Take note of how much the copy will be, as the engine knows by now."""
        ...


class CopyStream(Protocol):
    """A copy in progress."""

    # The engine's process group and its start time (seconds since the epoch), when it has one.
    process: tuple[int, float] | None

    def records(self) -> Iterator[Record]:
        """Yield the copy, once. Raise EngineError as soon as the stream cannot be whole."""
        ...

    def facts(self) -> CopyFacts:
        """After the last record: raise EngineError unless every sign says success."""
        ...

    def stop(self) -> None:
        """End the engine and everything it started, now. From any thread, any number of times."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """What came out while a copy was made ready. Blank and None are unknown."""

    detail: str = ""
    binlog_file: str = ""
    binlog_position: int | None = None
    gtid_executed: str = ""
    # Schema and name of tables whose rows were never part of the copy.
    left_out: frozenset[tuple[str, str]] = frozenset()
    # Host and port of every source that the copy's server replicated from.
    replica_of: tuple[str, ...] = ()


class PrepareWatch(Protocol):
    """Hears what an engine does while it prepares, and may call it off."""

    def log(self, source: str, text: str, level: str = "info") -> None: ...

    def check(self) -> None:
        """Raise when the work has to end; called between any two pieces of it."""
        ...

    def alive(self) -> None:
        """Take note that work goes on, where there is no line to log."""
        ...

    def process_started(self, group: int, started: float) -> None:
        """Take note of a process that would be an orphan if this one were gone."""
        ...

    def ending_by(self, hook: Callable[[], None]) -> AbstractContextManager[None]:
        """While inside, ``hook`` ends what the thread may be blocked on."""
        ...


class Engine(Protocol):
    """A way to copy an instance."""

    name: ClassVar[str]
    # The engine's own sub-operations, in the order in which they begin.
    stages: ClassVar[tuple[str, ...]]
    # Whether commands must run on the instance's host: a tool, a data folder to read.
    needs_host: ClassVar[bool]

    def copy(
        self,
        login: Login,
        runner: Runner,
        observer: CopyObserver,
        *,
        threads: int,
        sealed: bool = False,
        spool_folder: Path | None = None,
        save_foreign_tables: bool = False,
    ) -> AbstractContextManager[CopyStream]:
        """Start a full copy; leaving the context leaves no process and no secret behind.

        ``sealed``: whether the archive hides what is in it. ``spool_folder`` may hold what
        has to wait. ``save_foreign_tables`` asks an engine that copies InnoDB only to save the
        other tables in its own way.
        """
        ...

    def check_restore(self, backup: CopyFacts, server: str, *, starts: bool) -> str:
        """Say what will prepare such a copy on this host, or raise Refused.

        ``server`` is the path of the server program to use; blank leaves it to the engine.
        ``starts`` says that a server will also be started on the prepared files.
        """
        ...

    def start_options(self, folder: Path) -> Mapping[str, str]:
        """Return what any server must be told to accept the files, as on its command line."""
        ...

    def prepare(
        self, folder: Path, watch: PrepareWatch, *, server: str, keys: HostKeys = NO_KEYS
    ) -> Prepared:
        """Make a raw copy in ``folder`` ready for a server, or raise EngineError."""
        ...

    def restored_server(
        self,
        folder: Path,
        *,
        server: str,
        on_wait: Callable[[], None],
        keys: HostKeys = NO_KEYS,
    ) -> PrivateServer:
        """Return a server, not started yet, for a prepared copy; nobody has to log in to it."""
        ...
