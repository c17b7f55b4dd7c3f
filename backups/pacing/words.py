"""What does the job's log say of the pace? Only what changes, and never without end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from backups.pacing.facts import PaceFacts
from backups.pacing.observation import Baseline
from backups.pacing.reasons import PaceReason
from backups.pacing.rule import Wanted
from backups.pacing.server import Server
from backups.units import format_bytes

# The pauses between two lines on the same thing grow to this.
FIRST_GAP_SECONDS, LONGEST_GAP_SECONDS, GROWTH = 5.0, 900.0, 1.25


class Lines(Protocol):
    def __call__(self, text: str, *, warning: bool = False) -> None: ...


class PaceLog:
    """Writes lines on change, each kind ever more rarely."""

    def __init__(self, write: Lines, clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._reason: PaceReason | None = None
        # By the kind of a line: when the next one may follow, and after which gap.
        self._next: dict[str, tuple[float, float]] = {}

    def always(self, text: str, *, warning: bool = False) -> None:
        """Write a line of which there is one."""
        self._write(text, warning=warning)

    def note(self, kind: str, text: str, *, warning: bool = False) -> None:
        """Write a line unless one of its kind was written a short time ago."""
        at = self._clock()
        allowed, gap = self._next.get(kind, (at, FIRST_GAP_SECONDS))
        if at >= allowed:
            self._next[kind] = (at + gap, min(gap * GROWTH, LONGEST_GAP_SECONDS))
            self._write(text, warning=warning)

    def change(self, reason: PaceReason, bytes_per_s: int | None, detail: str) -> None:
        """Write why the limit is what it is, where the reason is another than before."""
        if reason is self._reason or reason is PaceReason.REDO:
            # The guard has lines of its own.
            self._reason = reason
            return
        first, self._reason = self._reason is None, reason
        if first and reason is PaceReason.FULL:
            return
        limit = "full speed" if bytes_per_s is None else f"at most {format_bytes(bytes_per_s)}/s"
        self.note(f"limit {reason}", f"{limit}: {detail or reason.label.lower()}")


def baseline_words(before: Baseline, server: Server | None, wanted: Wanted) -> str:
    """Say what the instance was like before the copy, and what follows from it."""
    if server is None:
        return "the instance could not be watched before the copy"
    lag = (
        ""
        if wanted.target_lag_s is None
        else f", replication at most {wanted.target_lag_s:.0f} s behind"
    )
    target = "" if wanted.target_ms is None else f"; target {wanted.target_ms:.1f} ms"
    missing = f"; {server.missing}" if server.missing else ""
    if before.idle:
        return f"the instance was idle before the copy{target}{lag}{missing}"
    if before.p99_ms is None:
        return (
            f"no statement was seen in {before.seconds:.1f} s before the copy{target}{lag}{missing}"
        )
    return (
        f"statements took {before.p99_ms:.1f} ms ({wanted.measure}) in {before.seconds:.1f} s "
        f"before the copy, by {server.times.words}{target}{lag}{missing}"
    )


def summary_words(facts: PaceFacts) -> str:
    """Say what the copy cost."""
    parts = [f"full speed for {facts.full_s:.0f} s, limited for {facts.limited_s:.0f} s"]
    if facts.lowest_bytes_per_s is not None:
        parts.append(f"lowest limit {format_bytes(facts.lowest_bytes_per_s)}/s")
    if facts.p99_during_ms is not None:
        before = "unknown" if facts.p99_before_ms is None else f"{facts.p99_before_ms:.1f} ms"
        parts.append(f"{facts.measure} {facts.p99_during_ms:.1f} ms, before it {before}")
    return "; ".join(parts)
