"""How much memory does a prepare get? A share of what is free on this host, measured.

More memory lets crash recovery apply more of the redo log at a time. Half of what is free is left
to the page cache and to everything else, and jobs of this host that restore at the same time
share the rest.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from backups.models import Job
from backups.states import JobStatus, Operation
from backups.units import format_bytes, format_count

# What mariadb-backup takes by itself: less only makes it slower.
LEAST_BYTES = 96 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PrepareMemory:
    """What a prepare gets; None leaves it to the program."""

    granted_bytes: int | None
    free_bytes: int | None
    # Restores that run on this host, this one included.
    restores: int

    @property
    def words(self) -> str:
        """What the log says."""
        if self.granted_bytes is None:
            return "prepare with the program's own memory: what is free on this host is unknown"
        text = f"prepare with {format_bytes(self.granted_bytes)} of {format_bytes(self.free_bytes)}"
        shared = f", shared by {format_count(self.restores, 'restore')}"
        return f"{text} free{shared if self.restores > 1 else ''}"


def share_memory(
    free_bytes: int | None, restores: int, *, most_bytes: int, copy_bytes: int | None
) -> PrepareMemory:
    """Decide; ``most_bytes`` is the limit of an admin, 0 without one.

    More than the files of the copy, ``copy_bytes``, would never be filled.
    """
    if free_bytes is None:
        return PrepareMemory(None, None, restores)
    limits = [free_bytes // 2 // max(restores, 1), *([most_bytes] if most_bytes else [])]
    limits += [] if copy_bytes is None else [copy_bytes]
    return PrepareMemory(max(min(limits), LEAST_BYTES), free_bytes, restores)


def count_restores_here(worker: str) -> int:
    """Return how many jobs restore on the host of ``worker``, which is written ``host:pid``."""
    host = worker.rpartition(":")[0] or socket.gethostname()
    return Job.objects.filter(
        operation__in=(Operation.RESTORE, Operation.RESTORE_TEST, Operation.REHEARSAL),
        status=JobStatus.RUNNING,
        worker__startswith=f"{host}:",
    ).count()
