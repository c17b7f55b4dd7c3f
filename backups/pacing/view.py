"""What do others see of a copy's pace, and how do they change it? Shared by several threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from backups.pacing.reasons import PaceReason

LONGEST_DETAIL = 200


@dataclass(frozen=True, slots=True)
class PaceNow:
    """The pace at a moment. Without a reason: the copy is not paced."""

    reason: PaceReason | None = None
    detail: str = ""
    # None: no limit.
    bytes_per_s: int | None = None
    # None: unknown, or not watched.
    p99_ms: float | None = None
    target_ms: float | None = None

    def columns(self) -> dict[str, object]:
        """Return what a job's row has of it."""
        return {
            "pace_bytes_per_s": self.bytes_per_s,
            "pace_reason": self.reason or "",
            "pace_detail": self.detail[:LONGEST_DETAIL],
            "pace_p99_ms": self.p99_ms,
            "pace_target_ms": self.target_ms,
        }


class PaceView:
    """The pace of a running copy: written by its controller, read for rows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = PaceNow()
        # The worst since the last sample was taken.
        self._sample: PaceNow | None = None
        # The limit by hand, as the job's row has it. None: none; 0: full speed.
        self.by_hand: int | None = None

    @property
    def now(self) -> PaceNow:
        return self._now

    def show(self, now: PaceNow) -> None:
        with self._lock:
            self._now = now
            self._sample = now if self._sample is None else worse(self._sample, now)

    def take_sample(self) -> PaceNow:
        """Return the worst since the last call: the longest time, and the lowest limit."""
        with self._lock:
            sample, self._sample = self._sample or self._now, None
            return sample


def worse(one: PaceNow, other: PaceNow) -> PaceNow:
    """Return one for both: with the lower limit and its reason, and the longer time."""
    lower = min(
        one, other, key=lambda now: _INFINITE if now.bytes_per_s is None else now.bytes_per_s
    )
    times = [now.p99_ms for now in (one, other) if now.p99_ms is not None]
    return PaceNow(
        lower.reason, lower.detail, lower.bytes_per_s, max(times, default=None), other.target_ms
    )


_INFINITE = 1 << 62
