"""Which facts of repositories, keys, queues and periodic tasks do rules check?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.facts.subject import Facts


@dataclass(frozen=True, slots=True)
class RepositoryFacts(Facts):
    """An enabled repository, as last measured."""

    encrypted: bool
    measured_at: datetime | None = None
    free_bytes: int | None = None
    total_bytes: int | None = None
    # When it will be full, at the current rate.
    full_at: datetime | None = None
    # Why it could not be measured; blank if it was.
    error: str = ""
    # Why locks of its objects could not be renewed; blank if they were, or there are none.
    lock_fault: str = ""


@dataclass(frozen=True, slots=True)
class KeyFacts(Facts):
    """Stored copies in one repository, under one key, that no present key can decrypt."""

    key_id: str
    copies: int
    label: str
    fault: str


@dataclass(frozen=True, slots=True)
class CopyFaultFacts(Facts):
    """Stored copies in one repository that a check found missing, or changed."""

    # A value of ``CopyFault``.
    fault: str
    copies: int
    label: str
    detail: str


@dataclass(frozen=True, slots=True)
class QueueFacts(Facts):
    """A queue: the jobs that wait in it, and the workers that serve it."""

    waiting: int = 0
    waiting_since: datetime | None = None
    workers: int = 0
    # The newest heartbeat of its workers; None: never.
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PeriodicTaskFacts(Facts):
    """A periodic task that has run before and is still in the beat schedule."""

    every: timedelta
    finished_at: datetime | None = None
    started_at: datetime | None = None
    error: str = ""
