"""What do the tool's log lines mean: which sub-operation begins or ends, and what failed?

The log has a resolution of one second; locks are often held for less. So times are taken when a
line arrives, from a monotonic clock of the caller. The tool writes its log unbuffered and it is
read as it arrives, so the difference is far below a millisecond locally, and the network's
latency over ssh.

What is blocked on the instance, and when (MariaDB 10.11.19 and 11.8; older tools differ only where
noted):

    BACKUP STAGE START         nothing; waits for running statements
    BACKUP STAGE FLUSH         new writes to tables that are not transactional
    BACKUP STAGE BLOCK_DDL     also ALTER, CREATE, DROP …
    BACKUP STAGE BLOCK_COMMIT  also every commit
    BACKUP STAGE END           nothing

``backup lock`` lasts from the request for FLUSH, because even a waiting request blocks new
writes, to the reply to END: "All tables unlocked". Its detail has the time for which commits
waited. Tools without FLUSH request BLOCK_COMMIT at once, at "Acquiring BACKUP LOCKS...".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

FILE_COPY = "file copy"
REDO_COPY = "redo copy"
BACKUP_LOCK = "backup lock"
OTHER_FILES = "non-InnoDB files"
FINISH = "finish"
# In the order in which they begin.
STAGES = (FILE_COPY, REDO_COPY, BACKUP_LOCK, OTHER_FILES, FINISH)

END_MARKER = "completed OK!"

# "[00] 2026-01-01 00:00:00 ", "[00] FATAL ERROR: 2026-01-01 00:00:00 ",
# "2026-01-01 00:00:00 0 [Note] ", or nothing.
_PREFIX = re.compile(
    r"(?:\[\d+\] )?(?P<fatal>FATAL ERROR: )?(?:\d{4}-\d\d-\d\d +\d?\d:\d\d:\d\d )?(?:\d+ (?=\[))?"
)
_ERROR = re.compile(
    r"\[ERROR\]|(?:mariabackup: |mariadb-backup: )?(?:fatal )?error\b|failed to\b|was only able\b"
    r"|can't open\b|merror\b",
    re.IGNORECASE,
)
_WARNING = re.compile(r"\[Warning\]|(?:mariabackup: )?warning\b|setrlimit failed", re.IGNORECASE)
# The tool logs the grants of the backup user, which contain the hash of its password.
_HASH = re.compile(r"(\b(?:PASSWORD|USING) )'[^']*'")
_PER_FILE = "        ...done"
_IGNORED = re.compile(
    r"Warning: We assume the +table was dropped during xtrabackup execution and ignore the "
    r"tablespace \./(.+)"
)


@dataclass(frozen=True, slots=True)
class StageStarted:
    name: str


@dataclass(frozen=True, slots=True)
class StageEnded:
    name: str
    lock_time: timedelta | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ToolLogLine:
    """A line for display, without the tool's own time and without secrets."""

    text: str
    level: str


Event = StageStarted | StageEnded | ToolLogLine


class LogReader:
    """Parses a log line by line into ``completed`` and ``errors``."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # A secret of one or two characters occurs everywhere: masking it would mask everything.
        self._secrets = [secret for secret in secrets if len(secret) > 2]
        self._began: dict[str, float] = {}
        self._ended: set[str] = set()
        self._flush_known = False
        self._commits_blocked_at: float | None = None
        # How long the instance was locked; None until the lock is released.
        self.lock_time: timedelta | None = None
        self.completed = False
        self.errors: list[str] = []
        # Tablespaces that were left out, by file, as the tool takes them for dropped.
        self.ignored: list[str] = []
        self.last = ""

    def feed(self, line: str, at: float) -> list[Event]:
        """Parse a line that arrived ``at`` seconds on a monotonic clock."""
        prefix = _PREFIX.match(line)
        text = self._without_secrets(line[prefix.end() :] if prefix else line).rstrip()
        if not text.strip() or line.rstrip().endswith(_PER_FILE):
            return []
        level = _level(text, fatal=bool(prefix and prefix["fatal"]))
        if level == "error":
            self.errors.append(text)
        if ignored := _IGNORED.fullmatch(text):
            self.ignored.append(ignored[1])
        self.last = text
        # Any line after the end marker revokes it.
        self.completed = text == END_MARKER
        return [ToolLogLine(text, level), *self._stages(text, at)]

    def _stages(self, text: str, at: float) -> Sequence[Event]:
        if text.startswith("mariabackup: Starting ") and "parallel data files" in text:
            return [*self._start(FILE_COPY, at), *self._start(REDO_COPY, at)]
        if text.startswith("Starting BACKUP STAGE START"):
            self._flush_known = True
        elif text.startswith("Starting BACKUP STAGE FLUSH"):
            return self._lock(at)
        elif text.startswith("Acquiring BACKUP LOCKS") and not self._flush_known:
            self._commits_blocked_at = at
            return self._lock(at)
        elif text.startswith("Starting BACKUP STAGE BLOCK_COMMIT"):
            self._commits_blocked_at = at
        elif text.startswith("Starting to backup non-InnoDB"):
            return self._start(OTHER_FILES, at)
        elif text.startswith("Finished backing up non-InnoDB"):
            return self._end(OTHER_FILES)
        elif text.endswith("Stopping log copying thread."):
            return self._end(REDO_COPY)
        elif text.startswith("All tables unlocked"):
            return self._unlock(at)
        elif text == END_MARKER:
            return [*self._end(REDO_COPY), *self._end(FINISH)]
        return []

    def _lock(self, at: float) -> Sequence[Event]:
        return [*self._end(FILE_COPY), *self._start(BACKUP_LOCK, at)]

    def _unlock(self, at: float) -> Sequence[Event]:
        if BACKUP_LOCK not in self._began:
            return []
        self.lock_time = timedelta(seconds=at - self._began[BACKUP_LOCK])
        detail = ""
        if self._commits_blocked_at is not None:
            detail = f"commits waited for {at - self._commits_blocked_at:.3f} s"
        return [*self._end(BACKUP_LOCK, self.lock_time, detail), *self._start(FINISH, at)]

    def _start(self, name: str, at: float) -> Sequence[Event]:
        if name in self._began:
            return []
        self._began[name] = at
        return [StageStarted(name)]

    def _end(
        self, name: str, lock_time: timedelta | None = None, detail: str = ""
    ) -> Sequence[Event]:
        if name not in self._began or name in self._ended:
            return []
        self._ended.add(name)
        return [StageEnded(name, lock_time, detail)]

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _HASH.sub(r"\1'***'", text)


def _level(text: str, *, fatal: bool) -> str:
    if fatal or _ERROR.match(text):
        return "error"
    return "warning" if _WARNING.match(text) else "info"
