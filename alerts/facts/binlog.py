"""Which facts of an instance's binlog archive do rules check?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alerts.facts.subject import Facts


@dataclass(frozen=True, slots=True)
class BinlogFacts(Facts):
    """An enabled binlog archive of an enabled instance."""

    # Since when nothing is received; None while it is.
    silent_since: datetime | None = None
    # Why, and what to do about it.
    reason: str = ""
    hint: str = ""
    # How much of the source's binlogs is not here; None is unknown.
    lag_bytes: int | None = None
    # Whether the source shall wait for an acknowledgement, and whether it does.
    acknowledge: bool = False
    source_waits: bool | None = None
    # What the source's settings mean for the archive, one per line.
    warnings: str = ""
    # Why pieces are not stored, one repository per line; and how much waits in the spool.
    store_fault: str = ""
    backlog_bytes: int = 0
    spool_free_bytes: int | None = None
    spool_total_bytes: int | None = None
    # Why it is not recoverable to the present; blank where it is, or where that is not known yet.
    not_recoverable: str = ""
