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
# What an incremental or differential backup may take, of the most that the last ones took.
LINK_GROWTH = 2
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


def estimate_link_room(past_bytes: int | None, full: RoomEstimate) -> RoomEstimate:
    """Compare what an incremental or differential backup will take with what is free.

    ``past_bytes`` is the most that the last ones took, None without any. ``full`` is the estimate
    of a full backup, which is never less; it is taken instead where there is no base.
    """
    if full.free_bytes is None or full.verdict is Verdict.OK:
        return full
    if past_bytes is None:
        details = f"unknown, as no earlier one is stored. A full backup: {full.explanation}"
        return RoomEstimate(None, full.free_bytes, Verdict.WARNING, details)
    need = LINK_GROWTH * past_bytes
    usable = max(0, full.free_bytes - RESERVE_BYTES)
    figures = (
        f"about {format_bytes(need)} needed: {LINK_GROWTH} times the largest of the last ones; "
        f"{format_bytes(full.free_bytes)} free"
    )
    if usable >= need:
        return RoomEstimate(need, full.free_bytes, Verdict.OK, figures)
    details = f"{figures}, {format_bytes(RESERVE_BYTES)} of it kept in reserve"
    return RoomEstimate(need, full.free_bytes, Verdict.FAILED, details)


def _reasons(raw_bytes: int, past_ratio: float | None, need_bytes: int) -> str:
    ratio = ASSUMED_RATIO if past_ratio is None else past_ratio
    source = "assumed: no earlier backup" if past_ratio is None else "as last time"
    return (
        f"about {format_bytes(need_bytes)} needed: {format_bytes(raw_bytes)} of tables and logs, "
        f"stored at {ratio:.0%} ({source}), and {GROWTH - 1:.0%} for growth"
    )
