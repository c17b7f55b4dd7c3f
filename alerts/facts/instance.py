"""What do the rules know of an instance, and of its newest backups?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alerts.facts.subject import Facts
from backups.norms import Norm


@dataclass(frozen=True, slots=True)
class PastBackup:
    """One backup, as far as a rule asks."""

    id: int
    label: str
    started_at: datetime
    ended_at: datetime
    raw_bytes: int
    lock_time: timedelta | None
    job_id: int | None

    @property
    def run_time(self) -> timedelta:
        return self.ended_at - self.started_at


@dataclass(frozen=True, slots=True)
class InstanceFacts(Facts):
    """An enabled instance: how it answers, what covers it, and how old its backups are."""

    created_at: datetime
    flavour: str = ""
    engine: str = ""
    version: str = ""
    unreachable_since: datetime | None = None
    unreachable_reason: str = ""
    # Kinds of the enabled schedules that cover it.
    scheduled_kinds: frozenset[str] = frozenset()
    # Newest success of each kind there ever was.
    last_success: Mapping[str, datetime] = field(default_factory=dict)
    # When a restore test of one of its backups last passed.
    restore_tested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BackupFacts(Facts):
    """The newest backup of one kind of an instance, beside the ones before it."""

    kind: str
    backup: PastBackup
    # What is usual of the ones before it; None where they are too few.
    usual_bytes: Norm | None = None
    usual_seconds: Norm | None = None
    # Repositories it was to be kept in, and is. None: nobody said how many.
    wanted_copies: int | None = None
    stored_copies: int = 0
