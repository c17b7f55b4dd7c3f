"""A child's log file: appended to, kept small while it is written, read for what went wrong."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import BinaryIO

# What is written beyond this is moved to a second file, which replaces the one before it: the logs
# of a process never take much more than twice as much.
LARGEST_BYTES = 10_000_000
ERRORS = re.compile(r"\b(ERROR|CRITICAL)\b")
# Redis and Celery colour their logs even in files.
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class LogFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_to = self._size()
        self._run_began_at = 0

    def open(self) -> BinaryIO:
        """Open the log for one more run of its process, to append to: see ``rotate``."""
        self._run_began_at = self._size()
        return self.path.open("ab")

    def rotate(self) -> str:
        """Empty a log that has grown too large and keep what it held beside it.

        Its process goes on writing to the same file, and knows nothing of it. Return why the
        contents could not be kept, if so: the log is emptied all the same, as on a full disk.
        """
        if self._size() <= LARGEST_BYTES:
            return ""
        fault = ""
        with self.path.open("r+b") as log:
            try:
                with self.path.with_suffix(".log.1").open("wb") as kept:
                    shutil.copyfileobj(log, kept, 1 << 20)
            except OSError as exc:
                fault = exc.strerror or str(exc)
            os.ftruncate(log.fileno(), 0)
        self._read_to = self._run_began_at = 0
        return fault

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def says(self, words: str) -> bool:
        """Whether the present run of the process has written ``words``."""
        with self.path.open("rb") as log:
            log.seek(self._run_began_at)
            return words.encode() in log.read()

    def new_errors(self) -> list[str]:
        """Return the lines with errors that were written since the last call."""
        if self._size() <= self._read_to:
            return []
        with self.path.open("rb") as log:
            log.seek(self._read_to)
            written = log.read(1_000_000)
        # A line that is still being written is read the next time.
        whole = written[: written.rfind(b"\n") + 1]
        self._read_to += len(whole)
        lines = COLOURS.sub("", whole.decode(errors="replace")).splitlines()
        return [line for line in lines if ERRORS.search(line)]

    def tail(self, lines: int = 12) -> str:
        """Return the end of the log, indented."""
        try:
            with self.path.open("rb") as log:
                log.seek(max(0, self.path.stat().st_size - 8_000))
                text = log.read().decode(errors="replace")
        except FileNotFoundError:
            return "    (no log written)"
        return "\n".join(f"    {line}" for line in COLOURS.sub("", text).splitlines()[-lines:])
