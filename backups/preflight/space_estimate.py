"""Is there enough free space for a backup?

Pure: figures in, an estimate and its reasons out. Nothing is refused without the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

from backups.checks import Verdict
from backups.units import format_bytes

# Assumed without an earlier backup: pages of ordinary tables compress to less than this.
ASSUMED_RATIO = 0.7
# Growth of the instance and its redo log while a backup runs.
GROWTH = 1.1
# A repository that is filled to the last byte cannot even be cleaned up.
RESERVE_BYTES = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class RoomEstimate:
    """The space a backup will need, and the free space. None is unknown."""

    need_bytes: int | None
    free_bytes: int | None
    verdict: Verdict
    explanation: str

    @property
    def enough(self) -> bool | None:
        """Whether it fits; None if unknown."""
        return None if self.verdict is Verdict.UNKNOWN else self.verdict is not Verdict.FAILED


def estimate_room(
    *,
    raw_bytes: int | None,
    past_ratio: float | None,
    free_bytes: int | None,
    reserve_bytes: int = RESERVE_BYTES,
) -> RoomEstimate:
    """Compare what a full backup will take with what is free.

    ``past_ratio`` is stored to raw bytes of an earlier backup. Without one, a backup that
    would fit only if it shrinks as usual is allowed with a warning.
    """
    if raw_bytes is None:
        return RoomEstimate(
            None, free_bytes, Verdict.UNKNOWN, "the size of the instance is unknown"
        )
    ratio = ASSUMED_RATIO if past_ratio is None else past_ratio
    need = round(raw_bytes * ratio * GROWTH)
    reasons = _reasons(raw_bytes, past_ratio, need)
    if free_bytes is None:
        return RoomEstimate(need, None, Verdict.UNKNOWN, f"{reasons}; free space is unknown")
    usable = max(0, free_bytes - reserve_bytes)
    figures = f"{reasons}; {format_bytes(free_bytes)} free"
    if usable < need:
        short = need - usable
        details = f"{figures}, {format_bytes(reserve_bytes)} of it kept in reserve"
        return RoomEstimate(
            need, free_bytes, Verdict.FAILED, f"{details}: {format_bytes(short)} short"
        )
    if past_ratio is None and usable < round(raw_bytes * GROWTH):
        details = f"{figures}: not enough if the tables hardly compress"
        return RoomEstimate(need, free_bytes, Verdict.WARNING, details)
    return RoomEstimate(need, free_bytes, Verdict.OK, figures)


def _reasons(raw_bytes: int, past_ratio: float | None, need_bytes: int) -> str:
    ratio = ASSUMED_RATIO if past_ratio is None else past_ratio
    source = "assumed: no earlier backup" if past_ratio is None else "as last time"
    return (
        f"about {format_bytes(need_bytes)} needed: {format_bytes(raw_bytes)} of tables and logs, "
        f"stored at {ratio:.0%} ({source}), and {GROWTH - 1:.0%} for growth"
    )
