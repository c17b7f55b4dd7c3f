"""What does the receiver of an archive do at this moment, and is a confirmed commit safe?

A receiver that was killed has left "receiving" on the row: it counts as long as its lease lasts.
"""

from __future__ import annotations

from datetime import datetime

from backups.models.binlog import BinlogArchive, ReceiverState
from backups.models.clock import shared


def present_state(archive: BinlogArchive, now: datetime) -> ReceiverState:
    """Return what the receiver does; stopped, if nothing says that one still runs."""
    held = archive.lease_expires_at
    if held is None or held < shared(now):
        return ReceiverState.STOPPED
    return ReceiverState(archive.state)


def is_rpo_zero(archive: BinlogArchive, now: datetime) -> bool:
    """Whether the source confirms a commit only when it is on Mooring's disk."""
    return bool(
        archive.enabled
        and archive.acknowledge
        and present_state(archive, now) == ReceiverState.RECEIVING
        and archive.source_waits
    )
