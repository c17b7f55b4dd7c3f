"""Does an archive lose no confirmed transaction at this moment? Only while all of it is known."""

from __future__ import annotations

from backups.models.binlog import BinlogArchive, ReceiverState


def is_rpo_zero(archive: BinlogArchive) -> bool:
    """Whether the source confirms a commit only when it is on Mooring's disk."""
    return bool(
        archive.enabled
        and archive.acknowledge
        and archive.state == ReceiverState.RECEIVING
        and archive.source_waits
    )
