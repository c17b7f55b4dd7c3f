"""A child's log file: appended to, kept small, and read for what went wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO

# A log that has grown beyond this is moved aside when its process starts.
LARGEST_BYTES = 20_000_000
ERRORS = re.compile(r"\b(ERROR|CRITICAL)\b")
# Redis and Celery colour their logs even in files.
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class LogFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_to = path.stat().st_size if path.exists() else 0
        self._run_began_at = 0

    def open(self) -> BinaryIO:
        """Open the log for one more run of its process."""
        if self.path.exists() and self.path.stat().st_size > LARGEST_BYTES:
            self.path.replace(self.path.with_suffix(".log.1"))
            self._read_to = 0
        self._run_began_at = self.path.stat().st_size if self.path.exists() else 0
        return self.path.open("ab")

    def says(self, words: str) -> bool:
        """Whether the present run of the process has written ``words``."""
        with self.path.open("rb") as log:
            log.seek(self._run_began_at)
            return words.encode() in log.read()

    def new_errors(self) -> list[str]:
        """Return the lines with errors that were written since the last call."""
        try:
            with self.path.open("rb") as log:
                log.seek(self._read_to)
                written = log.read(1_000_000)
        except FileNotFoundError:
            return []
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
