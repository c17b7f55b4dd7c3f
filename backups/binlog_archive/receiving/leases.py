"""Which process receives for which archive, and how is what it has reached written to the rows?

A lease is claimed and renewed by compare-and-swap. A receiver that has lost its lease ends; the
source itself also disconnects the older of two clients with the same identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import F, Q
from django.utils.timezone import now

from backups.binlog_archive.receiving.receiver import Receiver
from backups.models.binlog import BinlogArchive, ReceiverState
from backups.models.clock import shared


def wanted_archives() -> list[BinlogArchive]:
    """Return the archives that somebody must receive for."""
    wanted = BinlogArchive.objects.filter(enabled=True, instance__enabled=True)
    return list(wanted.select_related("instance").order_by("pk"))


def claim(archives: Iterable[BinlogArchive], holder: str, *, own: bool) -> dict[int, int]:
    """Claim the archives without a holder; return their tokens.

    ``own``: those of this holder, too, whose earlier process has ended.
    """
    claimed = {}
    for archive in archives:
        at = shared(now())
        free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=at)
        if own:
            free |= Q(holder=holder)
        row = BinlogArchive.objects.filter(free, pk=archive.pk, token=archive.token)
        if row.update(
            holder=holder,
            token=F("token") + 1,
            lease_expires_at=at + timedelta(seconds=settings.LEASE_SECONDS),
        ):
            claimed[archive.pk] = archive.token + 1
    return claimed


def release(receivers: Sequence[Receiver]) -> None:
    """Give the archives back, so that another process can go on at once."""
    for receiver in receivers:
        row = BinlogArchive.objects.filter(pk=receiver.archive, token=receiver.token)
        row.update(
            **{
                **progress_of(receiver),
                "state": ReceiverState.STOPPED,
                "state_since": now(),
                "reason": "",
                "hint": "",
                "holder": "",
                "lease_expires_at": None,
                "source_waits": None,
            }
        )


def renew(receiver: Receiver) -> bool:
    """Write what a receiver has reached and renew its lease; False if it has lost it."""
    standing = receiver.standing
    row = BinlogArchive.objects.filter(pk=receiver.archive, token=receiver.token)
    return bool(
        row.update(
            **progress_of(receiver),
            state=standing.state,
            state_since=standing.since,
            reason=standing.reason,
            hint=standing.hint,
            warnings="\n".join(receiver.warnings),
            lease_expires_at=shared(now()) + timedelta(seconds=settings.LEASE_SECONDS),
        )
    )


def renew_unchanged(receivers: Sequence[Receiver], holder: str) -> bool:
    """Renew the leases of receivers with nothing new to write; False if one of them is lost.

    When each was last in contact, and asked, is written as of the one for which it is longest ago.
    """
    at = shared(now())
    longest = max((receiver.silent_seconds or 0.0) for receiver in receivers)
    asked = [receiver.asked_at for receiver in receivers]
    rows = BinlogArchive.objects.filter(pk__in=[each.archive for each in receivers], holder=holder)
    renewed = rows.update(
        contact_at=at - timedelta(seconds=longest),
        source_asked_at=min((moment for moment in asked if moment is not None), default=None),
        lease_expires_at=at + timedelta(seconds=settings.LEASE_SECONDS),
    )
    return renewed == len(receivers)


def progress_of(receiver: Receiver) -> dict[str, object]:
    """Return the columns of how far a receiver is; none that it knows nothing of."""
    fields = dict(receiver.source)
    durable = receiver.durable
    if durable.file:
        fields["received_file"] = durable.file
        fields["received_position"] = durable.position
    if durable.commit_micros is not None:
        fields["last_commit_at"] = datetime.fromtimestamp(durable.commit_micros / 1e6, UTC)
    if durable.synced_at:
        fields["synced_at"] = datetime.fromtimestamp(durable.synced_at, UTC)
    if (silent := receiver.silent_seconds) is not None:
        fields["contact_at"] = shared(now()) - timedelta(seconds=silent)
    return fields
