"""Which facts of an instance and its newest backups do rules check?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alerts.facts.subject import Facts
from backups.health.spread import SpreadAnswer
from backups.norms import Norm
from backups.pacing.facts import PaceFacts


@dataclass(frozen=True, slots=True)
class PastBackup:
    """The values of a backup that rules check."""

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
    """An enabled instance: its reachability, its schedules and the age of its backups."""

    created_at: datetime
    flavour: str = ""
    engine: str = ""
    version: str = ""
    unreachable_since: datetime | None = None
    unreachable_reason: str = ""
    # Another server at its address, since when.
    other_server: str = ""
    other_server_since: datetime | None = None
    # Kinds of the enabled schedules that cover it.
    scheduled_kinds: frozenset[str] = frozenset()
    # The newest success per kind, at any age.
    last_success: Mapping[str, datetime] = field(default_factory=dict)
    # When a restore test of one of its backups last passed.
    restore_tested_at: datetime | None = None
    # Whether its binlogs are archived, and up to which moment that makes it recoverable.
    archived: bool = False
    recoverable_to: datetime | None = None
    # Between two planned backups of its most frequent schedule; None without a schedule.
    longest_pause: timedelta | None = None
    # Its recovery point objective; None: it has none.
    rpo: timedelta | None = None


@dataclass(frozen=True, slots=True)
class BackupFacts(Facts):
    """The newest backup of one kind of an instance, compared with earlier ones."""

    kind: str
    backup: PastBackup
    # The norm of the earlier ones; None if there are too few.
    usual_bytes: Norm | None = None
    usual_seconds: Norm | None = None
    # In how many repositories it was to be stored, and is. None: not specified.
    wanted_copies: int | None = None
    stored_copies: int = 0
    # What it cost its instance; None is unknown.
    pace: PaceFacts | None = None


@dataclass(frozen=True, slots=True)
class CopiesFacts(Facts):
    """The five answers of 3-2-1-1-0 for an instance that has a backup."""

    # In the order of the numbers.
    answers: tuple[SpreadAnswer, ...] = ()
