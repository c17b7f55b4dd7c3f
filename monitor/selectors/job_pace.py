"""How fast may a running backup read, and why? From the job's row alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backups.jobs.pace import has_copied, limit_in_words
from backups.models import Job, JobStage
from backups.pacing.entered import format_rate
from backups.pacing.reasons import PaceReason
from backups.states import JobStatus, Operation
from backups.units import format_bytes

# Reasons that somebody wanted: nothing is wrong with them.
WANTED = frozenset({PaceReason.FULL, PaceReason.CONFIGURED, PaceReason.BY_HAND})
FULL_SPEED = PaceReason.FULL.label
URGENT = frozenset({PaceReason.REDO})


@dataclass(frozen=True, slots=True)
class JobPace:
    """The pace of a running backup."""

    job: Job

    @property
    def known(self) -> bool:
        """Whether a copy runs that is paced."""
        return bool(self.job.pace_reason)

    @property
    def limit(self) -> str:
        bytes_per_s = self.job.pace_bytes_per_s
        return FULL_SPEED if bytes_per_s is None else f"At most {format_bytes(bytes_per_s)}/s"

    @property
    def reason(self) -> str:
        """Why, in full where it is known: p99 38 ms, target 20 ms."""
        words = self.job.pace_detail or self.job.get_pace_reason_display()
        # The limit says that already.
        return words.removeprefix(FULL_SPEED).removeprefix(": ")

    @property
    def tone(self) -> str:
        if self.job.pace_reason in URGENT:
            return "warning"
        return "quiet" if self.job.pace_reason in WANTED else "slowed"

    @property
    def by_hand(self) -> str:
        """What somebody set for this job; blank if nobody did."""
        limit = self.job.pace_limit
        return "" if limit is None else limit_in_words(limit)

    @property
    def entered(self) -> str:
        """The limit by hand, as it is entered."""
        return "" if self.job.pace_limit is None else format_rate(self.job.pace_limit)


def pace_of(job: Job, stages: Sequence[JobStage]) -> JobPace | None:
    """Return the pace of a backup that has something left to copy; None for every other job."""
    running = job.status == JobStatus.RUNNING and job.operation == Operation.BACKUP
    return JobPace(job) if running and not has_copied(stages) else None
