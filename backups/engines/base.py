"""What every engine offers: a consistent copy of a running instance, as records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Protocol

from backups.archive.records import Record
from backups.runners.base import Runner


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in to an instance. A socket is used instead of host and port."""

    user: str
    password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 3306
    socket: str = ""


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


class CopyObserver(Protocol):
    """Hears what an engine does while it copies. Called from any thread; must not block."""

    def stage_started(self, name: str, at: datetime) -> None: ...

    def stage_ended(
        self, name: str, at: datetime, *, lock_time: timedelta | None = None, detail: str = ""
    ) -> None: ...

    def log(self, source: str, text: str, level: str = "info") -> None:
        """Pass on a line the engine said; ``level`` is info, warning or error."""
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


class Engine(Protocol):
    """A way to copy an instance."""

    name: ClassVar[str]
    # The engine's own sub-operations, in the order in which they begin.
    stages: ClassVar[tuple[str, ...]]

    def copy(
        self, login: Login, runner: Runner, observer: CopyObserver, *, threads: int
    ) -> AbstractContextManager[CopyStream]:
        """Start a full copy; leaving the context leaves no process and no secret behind."""
        ...

    def prepare_argv(self, target: Path) -> list[str]:
        """Return the command that makes a raw copy ready for a server."""
        ...

    def check_prepare(self, exit_code: int, said: str) -> None:
        """Raise EngineError unless that command ended well and said so."""
        ...

    def server_options(self, folder: Path) -> Mapping[str, str]:
        """Return what a server must be told to start on a prepared copy in ``folder``."""
        ...
