"""What is known of the binlog archives of instances? In one query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from alerts.facts.belonging import Belonging
from alerts.facts.binlog import BinlogFacts
from backups.models import BinlogArchive
from backups.models.binlog import ReceiverState
from backups.models.clock import shared


def build_binlogs(now: datetime, belongings: Mapping[int, Belonging]) -> Iterator[BinlogFacts]:
    """Yield the enabled archives of these instances."""
    for archive in BinlogArchive.objects.filter(enabled=True, instance__in=list(belongings)):
        pk = archive.instance_id
        name = f"{belongings[pk].name}, binlogs"
        yield BinlogFacts(
            now=now,
            subject=belongings[pk].subject(f"instance:{pk}/binlogs", pk, name=name),
            silent_since=_silent_since(archive, now),
            reason=archive.reason,
            hint=archive.hint,
            lag_bytes=archive.lag_bytes,
            acknowledge=archive.acknowledge,
            source_waits=archive.source_waits,
            warnings=archive.warnings,
            store_fault=archive.store_fault,
            backlog_bytes=archive.backlog_bytes or 0,
            spool_free_bytes=archive.spool_free_bytes,
            spool_total_bytes=archive.spool_total_bytes,
            not_recoverable=archive.not_recoverable,
        )


def _silent_since(archive: BinlogArchive, now: datetime) -> datetime | None:
    """Return since when an archive receives nothing: by its state, or its holder is gone."""
    if archive.state != ReceiverState.RECEIVING:
        return archive.state_since
    if archive.lease_expires_at is None or archive.lease_expires_at < shared(now):
        return archive.lease_expires_at or archive.state_since
    return None
