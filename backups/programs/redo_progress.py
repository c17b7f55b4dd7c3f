"""How far has crash recovery come? Read from what a program logs while it applies the redo log.

Known lines: MariaDB's from 10.6 on (mariadb-backup --prepare), MySQL's from 8.0.17 on (a private
start). Of other lines nothing is known. A number outside the redo log makes its end unknown, and so
the progress. MariaDB reports every 15 seconds, and when a batch begins.

The whole log is read, and applied: both count. MariaDB reads it to its end first; where the
memory does not hold what was read, it then applies it in batches. MySQL applies a batch whenever
its memory is full, and reads on.
"""

from __future__ import annotations

import re

_MARIADB_START = re.compile(r"InnoDB: Starting crash recovery from checkpoint LSN=(\d{1,20})\b")
_MARIADB_READ = re.compile(r"InnoDB: (?:Read|Parsed) redo log up to LSN=(\d{1,20})\b")
_MARIADB_END = re.compile(r"InnoDB: End of log at LSN=(\d{1,20})\b")
_MARIADB_BATCH = re.compile(
    r"InnoDB: To recover: (?:LSN (?P<lsn>\d{1,20})/\d{1,20}; )?(?P<pages>\d{1,12}) pages"
)
_MARIADB_DONE = re.compile(r"InnoDB: Starting shutdown|completed OK!$")
_MYSQL_START = re.compile(
    r"Starting to parse redo log at lsn = \d{1,20}, whereas checkpoint_lsn = (\d{1,20})\b"
)
_MYSQL_READ = re.compile(r"Doing recovery: scanned up to log sequence number (\d{1,20})\b")
_MYSQL_BATCH = re.compile(r"Applying a batch of \d+ redo log records")
_MYSQL_PERCENT = re.compile(r"\[InnoDB\] (\d{1,3})%$")
_MYSQL_BATCH_DONE = re.compile(r"Apply batch completed")
# No redo log is longer: a larger number is no LSN of it.
MOST_BYTES = 1 << 50


class RedoProgress:
    """The progress of one recovery, fed with the lines of its log. None is unknown."""

    def __init__(self, end_lsn: int | None = None) -> None:
        """``end_lsn`` is where the log ends, as the copy itself has it."""
        self.start_lsn: int | None = None
        self.end_lsn = end_lsn
        self.read_lsn = self.applied_lsn = 0
        # When applying began, and how much was done by then.
        self._applying_since: float | None = None
        self._done_before = 0
        self._at = 0.0
        # The present batch: up to where it goes, and its pages where it began.
        self._batch: tuple[int, int] | None = None
        # Up to where the batches before it were applied.
        self._batches_lsn = 0

    def feed(self, line: str, at: float) -> bool:
        """Parse a line that arrived ``at`` seconds on a monotonic clock; say whether it counts."""
        before = (self.start_lsn, self.end_lsn, self.read_lsn, self.applied_lsn)
        if self.start_lsn is None:
            if found := _MARIADB_START.search(line) or _MYSQL_START.search(line):
                self._start(int(found[1]))
        elif not self._feed_mariadb(line, at):
            self._feed_mysql(line, at)
        self._at = at
        return before != (self.start_lsn, self.end_lsn, self.read_lsn, self.applied_lsn)

    @property
    def log_bytes(self) -> int | None:
        """The length of the redo log, from the checkpoint to its end."""
        if self.start_lsn is None or self.end_lsn is None:
            return None
        return self.end_lsn - self.start_lsn

    @property
    def total_bytes(self) -> int | None:
        """The whole work: each byte is read and applied."""
        return None if self.log_bytes is None else 2 * self.log_bytes

    @property
    def done_bytes(self) -> int:
        if self.start_lsn is None:
            return 0
        return self.read_lsn + self.applied_lsn - 2 * self.start_lsn

    @property
    def rate_bytes_per_s(self) -> int | None:
        """How fast it is applied, since that began: reading says nothing about it."""
        if self._applying_since is None:
            return None
        done, seconds = self.done_bytes - self._done_before, self._at - self._applying_since
        return int(done / seconds) if done > 0 and seconds > 0 else None

    @property
    def words(self) -> str:
        """Where it is; blank before its first line."""
        if self.start_lsn is None:
            return ""
        applying = self._applying_since is not None
        verb, lsn = ("applied", self.applied_lsn) if applying else ("read", self.read_lsn)
        end = "an unknown end" if self.end_lsn is None else self.end_lsn
        return f"redo log {verb} up to LSN {lsn} of {end}"

    def _start(self, lsn: int) -> None:
        self.start_lsn = self.read_lsn = self.applied_lsn = self._batches_lsn = lsn
        if self.end_lsn is not None and not 0 < self.end_lsn - lsn <= MOST_BYTES:
            # Not that of this log.
            self.end_lsn = None

    def _feed_mariadb(self, line: str, at: float) -> bool:
        if found := _MARIADB_READ.search(line):
            self._read(int(found[1]))
        elif found := _MARIADB_END.search(line):
            self._end(int(found[1]))
        elif found := _MARIADB_BATCH.search(line):
            lsn = int(found["lsn"]) if found["lsn"] else self.end_lsn
            self._apply_batch(lsn, int(found["pages"]), at)
        elif _MARIADB_DONE.search(line) and self.end_lsn is not None:
            self._end(self.end_lsn)
            self._apply(self.end_lsn)
        else:
            return False
        return True

    def _feed_mysql(self, line: str, at: float) -> None:
        if found := _MYSQL_READ.search(line):
            self._read(int(found[1]))
        elif _MYSQL_BATCH.search(line):
            self._apply_batch(self.read_lsn, 100, at)
        elif found := _MYSQL_PERCENT.search(line):
            self._apply_batch(self.read_lsn, 100 - min(int(found[1]), 100), at)
        elif _MYSQL_BATCH_DONE.search(line):
            self._apply(self.read_lsn)
            self._batch, self._batches_lsn = None, self.applied_lsn

    def _read(self, lsn: int) -> None:
        if self.end_lsn is not None and lsn > self.end_lsn:
            self.end_lsn = None
        if self._inside(lsn):
            self.read_lsn = max(self.read_lsn, lsn)

    def _end(self, lsn: int) -> None:
        """The program has read the log to its end: it knows better than the copy's metadata."""
        assert self.start_lsn is not None
        if self.applied_lsn <= lsn <= self.start_lsn + MOST_BYTES:
            self.end_lsn = self.read_lsn = lsn

    def _apply_batch(self, lsn: int | None, pages: int, at: float) -> None:
        """So many ``pages`` are left of the batch that goes up to ``lsn``."""
        if lsn is None or not self._inside(lsn):
            return
        if self._applying_since is None:
            self._applying_since, self._done_before = at, self.done_bytes
        if self._batch is None or lsn > self._batch[0]:
            if self._batch is not None:
                self._batches_lsn = max(self._batches_lsn, self._batch[0])
            self._batch = (lsn, pages)
            self._apply(self._batches_lsn)
        to, most = self._batch
        if lsn == to and most:
            whole, done = to - self._batches_lsn, most - min(pages, most)
            self._apply(self._batches_lsn + whole * done // most)

    def _apply(self, lsn: int) -> None:
        if self._inside(lsn):
            self.applied_lsn = max(self.applied_lsn, lsn)

    def _inside(self, lsn: int) -> bool:
        assert self.start_lsn is not None
        most = self.start_lsn + MOST_BYTES if self.end_lsn is None else self.end_lsn
        return self.start_lsn <= lsn <= most
