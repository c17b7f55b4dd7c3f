"""Why is expiry held, and what would be purged if it continued now?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backups.health.clock_jump import DELETING_TASKS, HELD
from backups.models import TickHeartbeat
from backups.models.clock import database_clock
from backups.retention.expiry import ExpiredCopy, expired_copies


@dataclass(frozen=True, slots=True)
class ExpiryView:
    """The page on which an admin lets expiry continue."""

    now: datetime
    # None: the database is a file on this host.
    database_clock: datetime | None
    # Why each task that deletes is held; empty if none is.
    reasons: Sequence[str]
    expired: Sequence[ExpiredCopy]

    @property
    def stored_bytes(self) -> int:
        return sum(candidate.copy.stored_bytes for candidate in self.expired)

    @property
    def ids(self) -> str:
        return " ".join(str(candidate.copy.pk) for candidate in self.expired)


def load_expiry(now: datetime) -> ExpiryView:
    held = TickHeartbeat.objects.filter(name__in=DELETING_TASKS, error__contains=HELD)
    reasons = [error.partition(": ")[2] for error in held.values_list("error", flat=True)]
    return ExpiryView(now, database_clock(), reasons, expired_copies(now))
