"""An observer that remembers what was reported to it."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta


class Diary:
    """Everything an engine said, in order; ``began`` waits for a stage."""

    def __init__(self) -> None:
        self.started: dict[str, datetime] = {}
        self.ended: dict[str, timedelta | None] = {}
        self.lines: list[tuple[str, str]] = []
        self.processes: list[tuple[int, float]] = []
        self.expected: tuple[int, int] | None = None
        self._change = threading.Condition()

    def stage_started(self, name: str, at: datetime) -> None:
        with self._change:
            self.started[name] = at
            self._change.notify_all()

    def stage_ended(
        self, name: str, at: datetime, *, lock_time: timedelta | None = None, detail: str = ""
    ) -> None:
        with self._change:
            self.ended[name] = lock_time
            self._change.notify_all()

    def log(self, source: str, text: str, level: str = "info") -> None:
        with self._change:
            self.lines.append((level, text))
            self._change.notify_all()

    def process_started(self, group: int, started: float) -> None:
        with self._change:
            self.processes.append((group, started))

    def expect(self, *, raw_bytes: int, files: int) -> None:
        with self._change:
            self.expected = (raw_bytes, files)

    def began(self, name: str, seconds: float = 20) -> bool:
        with self._change:
            return self._change.wait_for(lambda: name in self.started, seconds)

    def said(self) -> str:
        return "\n".join(text for _, text in self.lines)
