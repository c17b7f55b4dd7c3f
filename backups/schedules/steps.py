"""What can be decided about an open occurrence?"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from backups.models import Occurrence
from backups.states import OccurrenceStatus, WaitReason

# The latest next check, even if no change is expected.
RECHECK_AT_LATEST = timedelta(minutes=5)
# How often to check whether an obstacle has gone.
RECHECK_BLOCKED = timedelta(seconds=30)
LONGEST_DETAIL = 300
NOTHING_MORE: Mapping[str, object] = MappingProxyType({})


class Act(enum.Enum):
    """What has to be done besides writing the occurrence's own row."""

    NOTHING = "nothing"
    START = "start"  # create its job
    BEGIN = "begin"  # its job has started: compute when it should end
    WITHDRAW = "withdraw"  # its job has not started and must no longer start
    SLOW = "slow"  # its job is running and must be limited to a rate
    STOP = "stop"  # its job is running and must end


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next status of an occurrence, the columns to write, and a further action."""

    to: OccurrenceStatus
    values: Mapping[str, object] = field(default_factory=dict)
    act: Act = Act.NOTHING


def ended(
    to: OccurrenceStatus,
    reason: WaitReason,
    detail: str,
    also: Mapping[str, object] = NOTHING_MORE,
    act: Act = Act.NOTHING,
) -> NextStep:
    """End an occurrence, with the reason on its row."""
    texts = {"reason": reason, "detail": detail[:LONGEST_DETAIL]}
    return NextStep(to, {**texts, **also}, act)


def waits(
    occurrence: Occurrence,
    now: datetime,
    reason: WaitReason,
    detail: str,
    *,
    until: datetime | None = None,
) -> NextStep:
    """Stay due, for a reason; check again when it may have ended, or at a deadline."""
    late = lateness(occurrence, now)
    again = nearest(occurrence, now, until or now + RECHECK_BLOCKED)
    texts = {"reason": reason, "detail": detail[:LONGEST_DETAIL]}
    return NextStep(OccurrenceStatus.DUE, {**texts, **late, "next_check_at": again})


def lateness(occurrence: Occurrence, now: datetime) -> dict[str, object]:
    """Record once that its grace ended before any attempt had started."""
    waited = occurrence.retry_at is None and occurrence.attempts <= 1
    if waited and occurrence.late_at is None and now >= occurrence.late_after:
        return {"late_at": now}
    return {}


def nearest(occurrence: Occurrence, now: datetime, *others: datetime | None) -> datetime:
    """Return the next future deadline of an occurrence."""
    deadlines = [occurrence.late_after, occurrence.missed_after, occurrence.overrun_after, *others]
    return min(
        [deadline for deadline in deadlines if deadline and deadline > now]
        + [now + RECHECK_AT_LATEST]
    )
