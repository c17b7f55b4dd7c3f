"""What did a backup tool record about a run that Mooring did not start?

Readers query through a function and return runs; they use no Django and no connection. Times are
UTC: the caller sets the session's time zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, ClassVar, Protocol

from backups.states import BackupKind

# A row as the server returned it. Any: a column may hold whatever the tool put there.
Row = Mapping[str, Any]
Query = Callable[[str, Sequence[object]], list[Row]]
# Where the next reading continues: JSON, in the reader's own format.
Cursor = Mapping[str, Any]

# Rows of one reading; a longer history is read in several.
ROWS_AT_ONCE = 500
# Rows are written when a run ends, and clocks may be set back: read this far back as well.
OVERLAP = timedelta(days=1)
# The largest value of a BIGINT column; real LSNs and positions are far below it.
LARGEST = (1 << 63) - 1
# The value of an option that may be a secret, as one word or the word after it.
_SECRET = re.compile(
    r"(?P<option>--?(?:[\w-]*(?:password|passwd|encrypt-key|secret|token)[\w-]*|key))"
    r"(?P<between>[= ])(?P<value>'[^']*'|\"[^\"]*\"|\S+)|(?<=\s)-p\S+",
    re.IGNORECASE,
)


class NoHistory(Exception):
    """There is no history table, or none in a known format."""


class RunState(Enum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ObservedStage:
    """A sub-operation recorded by the tool, and its time."""

    name: str
    at: datetime
    error: str = ""


@dataclass(frozen=True, slots=True)
class ObservedRun:
    """One run of the tool. None is unknown."""

    # The tool's own identifier, stable between readings.
    key: str
    state: RunState
    kind: BackupKind
    started_at: datetime
    ended_at: datetime | None = None
    error: str = ""
    tool_version: str = ""
    server_version: str = ""
    lock_time: timedelta | None = None
    from_lsn: int | None = None
    to_lsn: int | None = None
    binlog_file: str = ""
    binlog_position: int | None = None
    gtid: str = ""
    stages: tuple[ObservedStage, ...] = ()
    # Further facts, for display.
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of one reading."""

    runs: Sequence[ObservedRun]
    cursor: Cursor
    # Whether more rows follow: read again at once.
    more: bool = False


class HistoryReader(Protocol):
    """Reads one tool's history."""

    # The tables it may read, for the GRANT statement.
    tables: ClassVar[tuple[str, ...]]

    def read(self, query: Query, cursor: Cursor) -> Reading:
        """Return runs since ``cursor``, with some overlap; NoHistory if there is no history."""
        ...


def redact(command: str) -> str:
    """Return a command line without anything that may be a secret."""
    return _SECRET.sub(_hide, command)


def _hide(match: re.Match[str]) -> str:
    if match["option"] is None:
        return "-p…"
    return f"{match['option']}{match['between']}…"


def moment(value: object) -> datetime | None:
    """Return a TIMESTAMP of a session in UTC, or microseconds since 1970, as a moment."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    if isinstance(value, int) and value > 0:
        return datetime.fromtimestamp(value / 1_000_000, UTC)
    return None


def number(value: object) -> int | None:
    """Return an integer; None if there is none.

    Older tables store -1 for none, which is the largest value in an unsigned column.
    """
    try:
        count = int(str(value))
    except ValueError:
        return None
    return count if 0 <= count <= LARGEST else None


def text(value: object) -> str:
    """Return a column as text; an empty string for NULL."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)
