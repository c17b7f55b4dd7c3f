"""What did the engine find out about a stored backup?"""

from __future__ import annotations

from backups.engines import ENGINES
from backups.engines.base import CopyFacts
from backups.engines.details import CopyDetails
from backups.models import Backup


def facts_of(backup: Backup) -> CopyFacts:
    """Return the facts of its copy as the catalog has them."""
    return CopyFacts(
        from_lsn=backup.from_lsn,
        to_lsn=backup.to_lsn,
        binlog_file=backup.binlog_file,
        binlog_position=backup.binlog_position,
        gtid_executed=backup.gtid_executed,
        server_version=backup.server_version,
        tool_version=backup.tool_version,
        lock_time=backup.lock_time,
        details=details_of(backup),
    )


def details_of(backup: Backup) -> CopyDetails:
    """Return what only its engine tells; of a tool that is no engine of ours, nothing."""
    engine = ENGINES.get(backup.engine)
    return engine.details.read(backup.facts) if engine else CopyDetails()
