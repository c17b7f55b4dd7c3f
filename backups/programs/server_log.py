"""What has a private server logged, and which lines have not been relayed yet?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

TAIL_LINES = 12


class ServerLog:
    """The log of one server, read while it is written."""

    def __init__(self, path: Path, on_line: Callable[[str], None] = lambda line: None) -> None:
        self.path = path
        self._on_line = on_line
        self._relayed_bytes = 0

    def relay(self) -> None:
        """Pass on the complete lines written since the last call."""
        try:
            with self.path.open("rb") as log:
                log.seek(self._relayed_bytes)
                whole, end, _ = log.read().rpartition(b"\n")
        except OSError:
            return
        self._relayed_bytes += len(whole) + len(end)
        for line in whole.decode("utf-8", errors="replace").splitlines():
            self._on_line(line)

    def lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []

    def tail(self, lines: int = TAIL_LINES) -> str:
        return "\n".join(self.lines()[-lines:]) or "(no log written)"
