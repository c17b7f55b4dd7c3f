"""How do received binlogs get from the spool into every repository, whatever is killed meanwhile?

    row of the piece   its cut is fixed: the same after a restart, in every repository
    the bytes          sealed, durable, in one repository after the other
    its manifest       from here on the repository has the piece
    row of the copy    from here on Mooring relies on it
    spool file         deleted once every repository has all pieces of a complete file

A repository that cannot be used keeps its pieces in the spool and nothing else from going on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from django.db.models import Count, Max, Q

from backups.access import checked_store
from backups.archive.keys import Keyring
from backups.binlog_archive.spool import (
    SpoolFile,
    SpoolPosition,
    spool_files,
    spool_folder,
    spool_space,
)
from backups.binlog_archive.storing.cutting import (
    Cutting,
    check_lease,
    facts_of,
    last_segment,
    next_segment,
    note_complete,
)
from backups.binlogs.index.build import build_index
from backups.binlogs.segments.cut import is_checksummed, read_range
from backups.binlogs.segments.manifest import SegmentManifest
from backups.binlogs.segments.names import file_number
from backups.binlogs.segments.reader import SegmentReader
from backups.binlogs.segments.writer import WrittenSegment, write_segment
from backups.exceptions import BinlogDamaged, KeyUnavailable, MooringError, RepositoryError
from backups.keys.load import load_keys
from backups.models import (
    BinlogArchive,
    BinlogSegment,
    BinlogTimeline,
    Repository,
    SegmentCopy,
)
from backups.repositories.base import ObjectStore
from backups.units import format_bytes

logger = logging.getLogger(__name__)

# A piece is not begun where it may not fit.
SPARE_BYTES = 64 * 1024**2
# No repository has a name with a space.
SPOOL = "the spool"


@dataclass(slots=True)
class StoredPieces:
    """What one call has done."""

    # Copies written or found.
    stored: int = 0
    # By the repository's name: why it takes nothing; and by ``SPOOL``, what is wrong there.
    faults: dict[str, str] = field(default_factory=dict)
    # Received, but not in every repository.
    backlog_bytes: int = 0


def store_ready_pieces(
    archive: BinlogArchive, present: SpoolPosition | None, now: datetime, *, flush: bool = False
) -> StoredPieces:
    """Cut what is ready and store it into every repository of the archive.

    ``present``: the file that is being received, of the instance's present timeline, and the last
    boundary in it that is durable; None while nothing is received. With ``flush`` also what is
    neither large nor old enough.

    Takes as long as disks do. Raises LeaseLost if another process has the archive by now. No fault
    of a repository is raised, nor that the spool's bytes are not those that were received: they
    are in the result, on the archive's row and in the log, and everything else goes on.
    """
    result = StoredPieces()
    keyring, key_fault = _keys()
    targets = _Targets(archive, keyring, key_fault, result)
    for timeline in archive.instance.binlog_timelines.select_related("instance"):
        ended = timeline.ended_at is not None
        # An ended history may have a file of the same name as the one being received.
        at = None if ended else present
        files = _files(timeline, at)
        for file in files:
            boundary, complete = _boundary(file, at, is_last=file is files[-1] and not ended)
            cutting = Cutting(archive, timeline, now, flush)
            try:
                _store_file(cutting, file, boundary, complete, targets, result)
            except BinlogDamaged as exc:
                # The rest of this file is lost; the files after it are not.
                _note_spool(archive, exc, result)
            except OSError as exc:
                # It may be read again: nothing after it is stored before it.
                _note_spool(archive, exc, result)
                break
        if ended and files:
            _remove_folder(timeline)
    _note(archive, result, now)
    return result


class _Targets:
    """The repositories of an archive, as far as they can be used."""

    def __init__(
        self,
        archive: BinlogArchive,
        keyring: Keyring | None,
        key_fault: str,
        result: StoredPieces,
    ) -> None:
        self.archive, self.keyring, self._key_fault = archive, keyring, key_fault
        self._result = result
        self.repositories = list(archive.repositories.filter(enabled=True))
        self._stores: dict[int, ObjectStore] = {}
        for repository in self.repositories:
            with_key = keyring is not None or not repository.encrypted
            if not with_key:
                result.faults[repository.name] = key_fault
                continue
            try:
                self._stores[repository.pk] = checked_store(repository)
            except MooringError as exc:
                self.fail(repository, exc)

    @property
    def stores(self) -> list[ObjectStore]:
        return [store for _, store in self.usable()]

    def usable(self) -> Iterator[tuple[Repository, ObjectStore]]:
        """Yield the repositories that have not failed yet."""
        for repository in self.repositories:
            if repository.name not in self._result.faults:
                yield repository, self._stores[repository.pk]

    def fail(self, repository: Repository, error: MooringError) -> None:
        """Leave a repository alone until the next call."""
        self._result.faults[repository.name] = str(error)
        logger.warning(
            "binlogs of %s are not stored in %s: %s",
            self.archive.instance,
            repository,
            error,
            extra={"action": "binlogs_not_stored", "repository": repository.name},
        )


def _note_spool(archive: BinlogArchive, error: Exception, result: StoredPieces) -> None:
    result.faults[SPOOL] = str(error)
    logger.error(
        "binlogs of %s in the spool cannot be stored: %s",
        archive.instance,
        error,
        extra={"action": "spool_damaged", "instance": archive.instance.name},
    )


def _keys() -> tuple[Keyring | None, str]:
    try:
        return load_keys(), ""
    except KeyUnavailable as exc:
        return None, str(exc)


def _files(timeline: BinlogTimeline, present: SpoolPosition | None) -> list[SpoolFile]:
    """Return the files of a timeline, without those that were begun after ``present`` was known.

    They are not finished for sure, and the rest of the one in front of them comes first.
    """
    files = spool_files(timeline)
    if present is None:
        return files
    newest = file_number(present.file)
    return [file for file in files if file.number <= newest]


def _boundary(file: SpoolFile, present: SpoolPosition | None, *, is_last: bool) -> tuple[int, bool]:
    """Return up to where a file can be stored, and whether it is finished."""
    if present is not None and file.name == present.file:
        return present.position, False
    # Without a receiver nobody knows what of the newest file is durable.
    return (0, False) if is_last else (file.path.stat().st_size, True)


def _store_file(
    cutting: Cutting,
    file: SpoolFile,
    boundary: int,
    complete: bool,
    targets: _Targets,
    result: StoredPieces,
) -> None:
    """Store a file's pieces, those on record first; delete it once every repository has it."""
    if complete and _is_before_all(cutting.timeline, file):
        file.path.unlink()
        return
    for segment in _pending(cutting.timeline, file, targets.repositories):
        _store_segment(segment, file, targets, result)
    while list(targets.usable()):
        cut = next_segment(
            cutting,
            file,
            boundary,
            complete=complete,
            stores=targets.stores,
            keyring=targets.keyring,
        )
        if cut is None:
            break
        _store_segment(cut, file, targets, result)
    size = file.path.stat().st_size
    if complete:
        note_complete(file, last_segment(cutting.timeline), size)
    result.backlog_bytes += _backlog(cutting.timeline, file, size, targets.repositories)
    if complete:
        _refuse_left_behind(cutting.timeline, file, size)
    if complete and targets.repositories and _is_stored(cutting.timeline, file, size, targets):
        file.path.unlink()


def _is_before_all(timeline: BinlogTimeline, file: SpoolFile) -> bool:
    """Whether a file is older than what is stored: retention has deleted it, and it came again."""
    first = timeline.segments.order_by("file_number", "start").first()
    return first is not None and file.number < first.file_number


def _refuse_left_behind(timeline: BinlogTimeline, file: SpoolFile, size: int) -> None:
    """Raise BinlogDamaged where files after this one are stored, and not all of it."""
    last = last_segment(timeline)
    if last is None or last.file_number <= file.number:
        return
    ends = timeline.segments.filter(file_number=file.number).aggregate(end=Max("end"))
    if (end := ends["end"] or 0) < size:
        raise BinlogDamaged(f"{file.path} from {end} on is damaged: files after it are stored")


def _pending(
    timeline: BinlogTimeline, file: SpoolFile, repositories: list[Repository]
) -> list[BinlogSegment]:
    """Return the pieces of a file that are not in all repositories."""
    have = Count("copies", filter=Q(copies__repository__in=repositories))
    segments = timeline.segments.filter(file_number=file.number).annotate(have=have)
    lacking = segments.filter(have__lt=len(repositories)).order_by("start")
    return list(lacking.select_related("timeline__instance"))


def _store_segment(
    segment: BinlogSegment, file: SpoolFile, targets: _Targets, result: StoredPieces
) -> None:
    """Store one piece in each repository that lacks it."""
    index = cache(lambda: _index_of(segment, file))
    for repository, store in targets.usable():
        if SegmentCopy.objects.filter(segment=segment, repository=repository).exists():
            continue
        try:
            written = _put(segment, file, repository, store, targets, index)
        except BinlogDamaged:
            # The spool's fault, not the repository's.
            raise
        except MooringError as exc:
            targets.fail(repository, exc)
            continue
        SegmentCopy.objects.get_or_create(
            segment=segment,
            repository=repository,
            defaults={
                "path": facts_of(segment).place.data_name,
                "stored_bytes": written.stored_bytes,
                "key_id": written.key_id,
                "digest": written.digest,
            },
        )
        result.stored += 1


def _put(
    segment: BinlogSegment,
    file: SpoolFile,
    repository: Repository,
    store: ObjectStore,
    targets: _Targets,
    index: Callable[[], bytes],
) -> WrittenSegment:
    facts = facts_of(segment)
    if store.exists(facts.place.manifest_name):
        reader = SegmentReader(store, facts.place, targets.keyring)
        reader.check_size()
        # The spool lets go of what a repository has: that must be everything.
        reader.check_whole()
        return _adopt(segment, reader.manifest, repository, store)
    _refuse_full(store, segment.end - segment.start)
    key = targets.keyring.current if repository.encrypted and targets.keyring else None
    return write_segment(
        store,
        facts,
        read_range(file.path, segment.start, segment.end),
        index=index(),
        key=key,
        check=_still_held(targets.archive),
    )


def _index_of(segment: BinlogSegment, file: SpoolFile) -> bytes:
    try:
        return build_index(
            read_range(file.path, segment.start, segment.end),
            checksummed=is_checksummed(file.path),
            start=segment.start,
            gtids_before=segment.gtids_before,
        )[0]
    except BinlogDamaged as exc:
        # Whole events that the index does not understand: their bytes are worth storing.
        logger.warning(
            "%s is stored without an index: %s",
            segment,
            exc,
            extra={"action": "binlog_not_indexed", "segment": segment.pk},
        )
        return b""


def _adopt(
    segment: BinlogSegment, manifest: SegmentManifest, repository: Repository, store: ObjectStore
) -> WrittenSegment:
    """Take what an attempt has stored that was killed before it could say so."""
    found, place = manifest.facts, manifest.facts.place
    same = (found.end, found.sha256) == (segment.end, segment.sha256)
    if not same or (repository.encrypted and not manifest.envelope.encrypted):
        raise RepositoryError(
            f"{repository} has another segment as {place.data_name}: up to {found.end}, "
            f"not {segment.end}",
            hint="Run rebuildcatalog for the repository, or move the object away.",
        )
    size = store.size(place.data_name) + store.size(place.manifest_name)
    return WrittenSegment(size, manifest.envelope.key_id, manifest.digest)


def _refuse_full(store: ObjectStore, wanted: int) -> None:
    free = store.free_bytes()
    if free is not None and free < wanted + SPARE_BYTES:
        raise RepositoryError(
            f"only {format_bytes(free)} are free, a piece of {format_bytes(wanted)} may not fit",
            hint="Free space in the repository; what is received waits in the spool.",
        )


def _still_held(archive: BinlogArchive) -> Callable[[], None]:
    return lambda: check_lease(archive)


def _is_stored(timeline: BinlogTimeline, file: SpoolFile, size: int, targets: _Targets) -> bool:
    """Whether every repository has all of a file."""
    segments = timeline.segments.filter(file_number=file.number)
    last = segments.order_by("-start").first()
    return (
        last is not None and last.end == size and not _pending(timeline, file, targets.repositories)
    )


def _backlog(
    timeline: BinlogTimeline, file: SpoolFile, size: int, repositories: list[Repository]
) -> int:
    pending = _pending(timeline, file, repositories)
    if pending:
        return size - pending[0].start
    last = timeline.segments.filter(file_number=file.number).order_by("-start").first()
    return size - (last.end if last is not None else 0)


def _remove_folder(timeline: BinlogTimeline) -> None:
    folder = spool_folder(timeline)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _note(archive: BinlogArchive, result: StoredPieces, now: datetime) -> None:
    faults = "\n".join(f"{name}: {fault}" for name, fault in sorted(result.faults.items()))
    usage = spool_space()
    BinlogArchive.objects.filter(pk=archive.pk, token=archive.token).update(
        backlog_bytes=result.backlog_bytes,
        store_fault=faults,
        spool_free_bytes=usage.free if usage else None,
        spool_total_bytes=usage.total if usage else None,
        stored_at=now,
    )
