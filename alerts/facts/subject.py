"""What is a finding about, and what does that belong to?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert stands for. Settings, routes and silences find it by what it belongs to."""

    # ``kind:key``: instance:12, copy:88/verify, repository:2, queue:copy.
    key: str
    name: str
    instance_id: int | None = None
    # The one it is about, where there is one ...
    schedule_id: int | None = None
    # ... and all that cover the instance.
    schedule_ids: frozenset[int] = frozenset()
    group_ids: frozenset[int] = frozenset()
    repository_id: int | None = None
    job_id: int | None = None
    # What is to blame, where that is something else: forty instances behind one repository.
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one subject at one moment. Rules read this, and nothing else."""

    now: datetime
    subject: Subject
