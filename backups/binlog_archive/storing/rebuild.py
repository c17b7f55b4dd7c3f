"""How are the rows of stored binlogs written again from what a repository has?"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import DataError, IntegrityError, transaction

from backups.access import checked_store
from backups.archive.keys import Keyring
from backups.binlog_archive.storing.cutting import joins
from backups.binlogs.segments.facts import SegmentFacts, SourceTimeline
from backups.binlogs.segments.manifest import SegmentManifest, read_segment
from backups.binlogs.segments.names import SegmentPlace, file_number, place_of_manifest
from backups.binlogs.segments.reader import SegmentReader
from backups.catalog.register import instance_of
from backups.exceptions import ArchiveError, CopyChanged, MooringError
from backups.models import (
    BinlogArchive,
    BinlogSegment,
    BinlogTimeline,
    Instance,
    Repository,
    SegmentCopy,
)
from backups.models.binlog import TimelineStart
from backups.repositories.base import ObjectStore
from backups.repositories.layout import INSTANCES

# A server's id has 32 bits; small ones are those that people give.
SERVER_IDS = range(1 << 30, 1 << 32)


@dataclass(frozen=True, slots=True)
class RebuiltSegment:
    """The result for one piece found in a repository."""

    name: str
    added: bool = False
    error: str = ""


def rebuild_segments(
    repository: Repository, keyring: Keyring | None, *, allow_unencrypted: bool = False
) -> Iterator[RebuiltSegment]:
    """Register every piece whose manifest is in ``repository``, yielding each.

    One that cannot be read is yielded with its error, and the others continue. So is an
    unencrypted one in an encrypted repository, unless ``allow_unencrypted``.
    """
    store = checked_store(repository)
    sealed = repository.encrypted and not allow_unencrypted
    touched: set[BinlogTimeline] = set()
    for name in store.list(INSTANCES):
        place = place_of_manifest(name)
        if place is None:
            continue
        try:
            timeline = _rebuild_one(repository, store, place, keyring, sealed)
        except (MooringError, IntegrityError, DataError) as exc:
            yield RebuiltSegment(name, error=str(exc)[:300])
            continue
        if timeline is not None:
            touched.add(timeline)
        yield RebuiltSegment(name, added=timeline is not None)
    for timeline in touched:
        _join_again(timeline)
    for instance in {timeline.instance for timeline in touched}:
        _end_timelines(instance)
        _ensure_archive(instance, repository)


def _rebuild_one(
    repository: Repository,
    store: ObjectStore,
    place: SegmentPlace,
    keyring: Keyring | None,
    sealed: bool,
) -> BinlogTimeline | None:
    """Register one piece; None if it is registered already."""
    known = SegmentCopy.objects.filter(repository=repository, path=place.data_name).first()
    manifest, _ = read_segment(store, place, keyring, known.digest if known else "")
    if known is not None:
        return None
    if sealed and not manifest.envelope.encrypted:
        raise CopyChanged(f"{place.manifest_name} is not encrypted: anyone may have put it there")
    reader = SegmentReader(store, place, keyring, manifest.digest)
    reader.check_size()
    size = store.size(place.data_name) + store.size(place.manifest_name)
    return _register(repository, manifest, size)


@transaction.atomic
def _register(repository: Repository, manifest: SegmentManifest, size: int) -> BinlogTimeline:
    facts = manifest.facts
    described = {
        "uuid": str(facts.instance.uuid),
        "name": facts.instance.name,
        "host": facts.instance.host,
        "port": facts.instance.port,
        "flavour": facts.instance.flavour,
    }
    timeline = _timeline_of(instance_of(described, facts.instance.engine), facts.timeline)
    segment, _ = BinlogSegment.objects.get_or_create(
        timeline=timeline,
        file_number=file_number(facts.file),
        start=facts.start,
        defaults=_columns(facts),
    )
    if (segment.end, segment.sha256) != (facts.end, facts.sha256):
        raise ArchiveError(f"another repository has other bytes as {segment}")
    SegmentCopy.objects.create(
        segment=segment,
        repository=repository,
        path=facts.place.data_name,
        stored_bytes=size,
        key_id=manifest.envelope.key_id,
        digest=manifest.digest,
    )
    return timeline


# Any would be wrong: each column's value is checked by the facts.
def _columns(facts: SegmentFacts) -> dict[str, object]:
    return {
        "file": facts.file,
        "end": facts.end,
        "last_of_file": facts.last_of_file,
        "sha256": facts.sha256,
        "transactions": facts.transactions,
        "first_commit_at": facts.first_commit_at,
        "last_commit_at": facts.last_commit_at,
        "gtids_before": facts.gtids_before,
        "gtids_after": facts.gtids_after,
        # When it was stored is not known; retention goes by it.
        "created_at": facts.last_commit_at or facts.timeline.began_at,
    }


def _timeline_of(instance: Instance, described: SourceTimeline) -> BinlogTimeline:
    if known := BinlogTimeline.objects.filter(uuid=described.uuid).first():
        if known.instance_id != instance.pk:
            raise ArchiveError(f"timeline {known.uuid} is of another instance")
        return known
    if described.start not in TimelineStart:
        raise ArchiveError(f"a timeline that begins by {described.start!r} is unknown here")
    return BinlogTimeline.objects.create(
        uuid=described.uuid,
        instance=instance,
        start=described.start,
        server_identity=described.server_identity[:120],
        server_version=described.server_version,
        began_at=described.began_at,
        # Until all are known, none is the present one.
        ended_at=described.began_at,
    )


def _join_again(timeline: BinlogTimeline) -> None:
    last: BinlogSegment | None = None
    for segment in timeline.segments.order_by("file_number", "start").iterator():
        joined = joins(last, segment.file_number, segment.start, segment.gtids_before)
        if joined != segment.joined:
            BinlogSegment.objects.filter(pk=segment.pk).update(joined=joined)
        last = segment


def _end_timelines(instance: Instance) -> None:
    """Let each history end where the next begins; the newest goes on, unless one does already."""
    ordered = list(instance.binlog_timelines.order_by("began_at", "pk"))
    with transaction.atomic():
        for timeline, following in itertools.pairwise(ordered):
            if timeline.ended_at is not None:
                timeline.ended_at = following.began_at
                timeline.save(update_fields=["ended_at"])
        if all(timeline.ended_at is not None for timeline in ordered):
            ordered[-1].ended_at = None
            ordered[-1].save(update_fields=["ended_at"])


def _ensure_archive(instance: Instance, repository: Repository) -> None:
    """Write the row that says where the binlogs are; a person enables receiving again."""
    archive, created = BinlogArchive.objects.get_or_create(
        instance=instance,
        defaults={"enabled": False, "server_id": secrets.choice(SERVER_IDS)},
    )
    if created:
        archive.repositories.add(repository)
    BinlogArchive.objects.filter(pk=archive.pk).update(judged_at=None)
