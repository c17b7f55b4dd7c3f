"""Do the clocks of the repositories say what this host's clock says?

A disk of this host has this host's clock. The server of a network file system has its own, which a
jump of ours does not move. The clock of a repository that cannot be written is unknown; its purges
fail anyway.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta

from backups.access import checked_store
from backups.exceptions import MooringError, Refused
from backups.health.clock_jump import HELD, MAX_DIFFERENCE
from backups.health.each_repository import ask_each
from backups.models import Repository

logger = logging.getLogger(__name__)


def refuse_other_clock(task: str, repositories: Iterable[Repository], now: datetime) -> None:
    """Raise Refused if a repository's clock differs from ``now`` by more than is tolerated."""
    began = time.monotonic()

    def read(repository: Repository) -> tuple[datetime | None, datetime]:
        elsewhere = repository_clock(repository)
        # A slow disk is no difference of clocks.
        return elsewhere, now + timedelta(seconds=time.monotonic() - began)

    for repository, clocks in ask_each(repositories, read):
        if isinstance(clocks, MooringError):
            continue
        elsewhere, here = clocks
        if elsewhere is not None and abs(here - elsewhere) > MAX_DIFFERENCE:
            raise Refused(
                f"{task}{HELD}this host's clock says {here:%Y-%m-%d %H:%M} UTC, that of "
                f"repository {repository} {elsewhere:%Y-%m-%d %H:%M}; set the wrong one",
                hint="It continues once both clocks agree.",
            )


def repository_clock(repository: Repository) -> datetime | None:
    """Return the time of the host that stores a repository; None if unknown."""
    try:
        return checked_store(repository).clock()
    except MooringError as exc:
        logger.warning(
            "the clock of repository %s is unknown: %s",
            repository,
            exc,
            extra={"action": "clock_unknown", "repository": repository.name},
        )
        return None
