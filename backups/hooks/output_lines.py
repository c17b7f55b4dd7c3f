"""How much of a program's output is kept? The first lines for the log, the last for an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

MOST_LINES = 100
LONGEST_LINE = 500


@dataclass(slots=True)
class OutputLines:
    """The lines of one program. Memory is bounded, whatever it writes."""

    # Called with each line that is kept.
    log: Callable[[str], None]
    last: str = ""
    _lines: int = 0
    # For each of its outputs: the beginning of the line that has not ended.
    _begun: dict[int, bytes] = field(default_factory=dict)

    def feed(self, output: int, content: bytes) -> None:
        """Take what has arrived on one of its outputs."""
        *ended, begun = content.split(b"\n")
        for line in ended:
            self._take(self._begun.pop(output, b"") + line[:LONGEST_LINE])
        self._begun[output] = (self._begun.get(output, b"") + begun[:LONGEST_LINE])[:LONGEST_LINE]

    def end(self) -> None:
        """Take the lines without an end, and log how many were left out."""
        for line in self._begun.values():
            self._take(line)
        self._begun.clear()
        if self._lines > MOST_LINES:
            self.log(f"{self._lines - MOST_LINES} further lines of output left out")

    def _take(self, line: bytes) -> None:
        text = line[:LONGEST_LINE].decode("utf-8", errors="replace").rstrip()
        if not text:
            return
        self.last = text
        self._lines += 1
        if self._lines <= MOST_LINES:
            self.log(text)
