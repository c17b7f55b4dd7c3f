"""What do the rules know of what all instances share: repositories, keys, queues, ticks?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.facts.subject import Facts


@dataclass(frozen=True, slots=True)
class RepositoryFacts(Facts):
    """An enabled repository, as a tick last measured it."""

    encrypted: bool
    measured_at: datetime | None = None
    free_bytes: int | None = None
    total_bytes: int | None = None
    # When nothing will be free, if it goes on like this.
    full_at: datetime | None = None
    # Why it could not be measured; blank where it could.
    error: str = ""


@dataclass(frozen=True, slots=True)
class KeyFacts(Facts):
    """Stored copies in one repository, under one key, that no key at hand opens."""

    key_id: str
    copies: int
    label: str
    fault: str


@dataclass(frozen=True, slots=True)
class QueueFacts(Facts):
    """A queue: who waits in it, and who takes from it."""

    waiting: int = 0
    waiting_since: datetime | None = None
    workers: int = 0
    # When a worker of it was last heard of; None: never.
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TickFacts(Facts):
    """A tick that has run before, and is still planned."""

    every: timedelta
    finished_at: datetime | None = None
    started_at: datetime | None = None
    error: str = ""
