"""What can be decided about an open occurrence?"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from backups.models import Occurrence
from backups.states import OccurrenceStatus, WaitReason

# Looked at again at the latest then, though nothing is expected to happen.
RECHECK_AT_LATEST = timedelta(minutes=5)
# How often to look whether what stands in the way is gone.
RECHECK_BLOCKED = timedelta(seconds=30)
LONGEST_DETAIL = 300
NOTHING_MORE: Mapping[str, object] = MappingProxyType({})


class Act(enum.Enum):
    """What has to be done besides writing the occurrence's own row."""

    NOTHING = "nothing"
    START = "start"  # ask for its job
    BEGIN = "begin"  # its job has begun: reckon until when it should be done
    WITHDRAW = "withdraw"  # its job has not begun and must not any more
    STOP = "stop"  # its job runs and must end


@dataclass(frozen=True, slots=True)
class NextStep:
    """Where an occurrence goes, what is written with that, and what else is to be done."""

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
    """Come to an end, with the reason on the row."""
    words = {"reason": reason, "detail": detail[:LONGEST_DETAIL]}
    return NextStep(to, {**words, **also}, act)


def waits(
    occurrence: Occurrence,
    now: datetime,
    reason: WaitReason,
    detail: str,
    *,
    until: datetime | None = None,
) -> NextStep:
    """Stay due, for a reason; look again when that may be gone, or when a deadline comes."""
    late = lateness(occurrence, now)
    again = nearest(occurrence, now, until or now + RECHECK_BLOCKED)
    words = {"reason": reason, "detail": detail[:LONGEST_DETAIL]}
    return NextStep(OccurrenceStatus.DUE, {**words, **late, "next_check_at": again})


def lateness(occurrence: Occurrence, now: datetime) -> dict[str, object]:
    """Note once that its grace was over before any attempt had begun."""
    waited = occurrence.retry_at is None and occurrence.attempts <= 1
    if waited and occurrence.late_at is None and now >= occurrence.late_after:
        return {"late_at": now}
    return {}


def nearest(occurrence: Occurrence, now: datetime, *others: datetime | None) -> datetime:
    """Return the next deadline of an occurrence that lies ahead."""
    deadlines = [occurrence.late_after, occurrence.missed_after, occurrence.overrun_after, *others]
    return min([each for each in deadlines if each and each > now] + [now + RECHECK_AT_LATEST])
