"""From which moment on are an instance's archived binlogs needed, and why?

Pure. A backup has every transaction of a piece that was stored before it began. So what was stored
before the newest restorable backup at the beginning of the recovery window is needed by no
recovery within it. The archive's own pieces only: a server's binlogs are never deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from backups.retention.policy import Policy


@dataclass(frozen=True, slots=True)
class BinlogBase:
    """A backup that stays, or is marked for deletion, from which binlogs could be applied."""

    label: str
    started_at: datetime
    ended_at: datetime
    # In which binlog its position is; blank where that is not known.
    file: str = ""
    # It is deleted when its delay is over. Until then it has all its binlogs: its deletion may be
    # undone.
    marked: bool = False


@dataclass(frozen=True, slots=True)
class BinlogNeed:
    """Which pieces are needed: those stored at ``since`` or later; all, if it is None."""

    since: datetime | None
    reason: str
    # With this file a recovery from the base begins, whenever it was stored; blank is unknown.
    file: str = ""

    def __str__(self) -> str:
        return self.reason


def binlogs_needed(
    bases: Sequence[BinlogBase], policies: Collection[Policy], blocked: str, now: datetime
) -> BinlogNeed:
    """Decide for one instance; ``blocked`` is why nothing may be deleted now, or blank."""
    if blocked:
        return BinlogNeed(None, blocked)
    staying = [base for base in bases if not base.marked]
    if not staying:
        return BinlogNeed(None, "nothing is deleted while the instance has no restorable backup")
    for policy in policies:
        if policy.keeps_everything:
            return BinlogNeed(None, f"{policy}")
    need = _needed_by(staying, policies, now)
    oldest = min(bases, key=lambda each: (each.started_at, each.label))
    if need.since is None or not oldest.marked or oldest.started_at >= need.since:
        return need
    why = f"needed from {oldest.label} on, which is marked for deletion and may be kept"
    return BinlogNeed(oldest.started_at, why, oldest.file)


def _needed_by(
    bases: Sequence[BinlogBase], policies: Collection[Policy], now: datetime
) -> BinlogNeed:
    oldest_first = sorted(bases, key=lambda each: (each.ended_at, each.label))
    with_window = [policy for policy in policies if policy.keep_for is not None]
    if len(with_window) < len(policies):
        # Without a window every backup that is kept may be recovered from.
        base = oldest_first[0]
        why = f"needed from {base.label} on, the oldest backup kept"
        return BinlogNeed(base.started_at, why, base.file)
    longest = max(with_window, key=lambda each: each.keep_for or now - now)
    assert longest.keep_for is not None
    start = now - longest.keep_for
    before = [each for each in oldest_first if each.ended_at <= start]
    base = before[-1] if before else oldest_first[0]
    return BinlogNeed(base.started_at, f"needed from {base.label} on: {longest}", base.file)
