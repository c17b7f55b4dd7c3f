"""Why does a copy read as fast as it does at a moment?"""

from __future__ import annotations

import enum


class PaceReason(enum.StrEnum):
    """Why a limit is in force, or none is. Stored with samples and jobs."""

    FULL = "full"  # nobody is slowed down by it
    STARTING = "starting"  # it begins slowly, until its effect is known
    LATENCY = "latency"  # statements of the instance take longer than the target
    LAG = "lag"  # a replica is further behind than the target
    UNKNOWN = "unknown"  # the probe gets no answer
    CONFIGURED = "configured"  # the limit of the instance, the schedule or the hour
    BY_HAND = "by_hand"  # the limit that somebody set for the job
    LONGEST = "longest"  # it would take too long if it were slowed further
    LOCKED = "locked"  # full speed: something on the instance is locked meanwhile
    REDO = "redo"  # full speed: the redo log would be overwritten before it is copied

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    PaceReason.FULL: "Full speed",
    PaceReason.STARTING: "Starting slowly",
    PaceReason.LATENCY: "Statements are slower than the target",
    PaceReason.LAG: "Replication lags more than the target",
    PaceReason.UNKNOWN: "The effect on the instance is unknown",
    PaceReason.CONFIGURED: "Configured limit",
    PaceReason.BY_HAND: "Limit set for this job",
    PaceReason.LONGEST: "Slowed as far as its time allows",
    PaceReason.LOCKED: "Full speed while the instance is locked",
    PaceReason.REDO: "Full speed: the redo log is nearly overwritten",
}
PACE_REASONS = tuple((reason.value, reason.label) for reason in PaceReason)
