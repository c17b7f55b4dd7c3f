"""What is a finding about, and what does that belong to?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert is about. Settings, routes and silences match what it belongs to."""

    # ``kind:key``: instance:12, copy:88/verify, repository:2, queue:copy.
    key: str
    name: str
    instance_id: int | None = None
    # The schedule it is about, if there is one ...
    schedule_id: int | None = None
    # ... and all that cover the instance.
    schedule_ids: frozenset[int] = frozenset()
    group_ids: frozenset[int] = frozenset()
    repository_id: int | None = None
    job_id: int | None = None
    # The cause, if that is something else: forty instances that share one repository.
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one subject at one time. Rules read nothing else."""

    now: datetime
    subject: Subject
