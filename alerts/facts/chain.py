"""Which facts of an instance's newest chain do rules check?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alerts.facts.subject import Facts


@dataclass(frozen=True, slots=True)
class LinkShare:
    """What an incremental or differential backup stored, as a share of its full one."""

    label: str
    share: float


@dataclass(frozen=True, slots=True)
class Fallback:
    """A full backup that was taken where another kind was requested."""

    job_id: int
    ended_at: datetime
    requested_kind: str
    # A value of ``KindCause``, and the reason in words.
    cause: str
    reason: str
    # Nothing had been backed up before it.
    first: bool = False


@dataclass(frozen=True, slots=True)
class ChainFacts(Facts):
    """The chain of the newest backup of an instance that Mooring took."""

    # Of the newest backup.
    label: str
    # How many backups go on from its full one, each from the one before, and how many may.
    links: int
    most_links: int
    # The links of the same full backup, the newest first.
    shares: tuple[LinkShare, ...] = ()
    # Whether an enabled schedule has times for full backups, or plans the other kinds.
    plans_fulls: bool = False
    plans_links: bool = False
    # The newest backup, if it is one.
    fallback: Fallback | None = None
