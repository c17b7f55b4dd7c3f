"""Which rows decide about the stored copies? A constant number of queries, whatever their number.

A copy counts as present only if its repository was identified and its files were found, by the
checks that run all the time; see ``backups.catalog.condition``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Exists, Max, OuterRef, QuerySet, Subquery

from backups.models import BackupCopy, Deletion, Evidence, Job, Occurrence, WantedCopy
from backups.models.job import WITHOUT_RESULT
from backups.protection import BAD_ENDS
from backups.states import (
    CHOSEN_KINDS,
    TERMINAL_JOB_STATUSES,
    TERMINAL_OCCURRENCE_STATUSES,
    CopyStatus,
    DeletionStatus,
    OccurrenceStatus,
    Operation,
)

UNHEALTHY = {OccurrenceStatus.FAILED, OccurrenceStatus.REFUSED, OccurrenceStatus.MISSED}
INDIFFERENT = {OccurrenceStatus.SKIPPED, OccurrenceStatus.CANCELLED}
# How long a backup is kept for a copy that is wanted of it: one that never succeeds must not fill
# the repository.
WAITED_FOR = timedelta(days=14)
CONCLUSIVE = TERMINAL_OCCURRENCE_STATUSES - INDIFFERENT


class StoredCopy(NamedTuple):
    """The columns of a stored copy that retention reads."""

    pk: int
    backup_id: int
    label: str
    instance_id: int
    instance: str
    instance_enabled: bool
    repository_id: int
    repository: str
    repository_fault: str
    repository_kind: str
    purge_delay: timedelta
    ended_at: datetime
    kind: str
    base_id: int | None
    pinned: bool
    pinned_reason: str
    held_until: datetime | None
    held_reason: str
    held_by: str
    fault: str
    key_fault: str
    stored_bytes: int
    # None: no schedule has taken it, or the catalog was rebuilt.
    schedule_id: int | None
    # Until when its store refuses to delete it, as it last said.
    locked_until: datetime | None
    # Which tables a partial backup has; empty: it is none.
    choice: Mapping[str, Sequence[str]]
    # A repository that is to have a copy of the backup, and has none yet; None: there is none.
    wanted_in: str | None = None


class Mark(NamedTuple):
    """The columns of the deletion that a stored copy is marked for."""

    pk: int
    copy_id: int
    due_at: datetime
    marked_at: datetime
    requested_by: str
    reason: str
    # Whether retention marked it; or a person.
    retention: bool
    # Why it is still there although it is due.
    problem: str

    @property
    def by(self) -> str:
        return f"marked by {self.requested_by}: {self.reason}"


_COLUMNS = (
    "pk", "backup_id", "backup__label", "backup__instance_id", "backup__instance__name",
    "backup__instance__enabled", "repository_id", "repository__name", "repository__fault",
    "repository__kind",
    "repository__purge_delay", "backup__ended_at", "backup__kind", "backup__base_id",
    "backup__pinned", "backup__pinned_reason", "backup__held_until", "backup__held_reason",
    "backup__held_by",
    "fault", "key_fault", "stored_bytes", "backup__made_by__occurrence__schedule_id",
    "locked_until", "backup__choice",
)  # fmt: skip


def stored_copies(instances: Collection[int] | None, now: datetime) -> list[StoredCopy]:
    """Return the stored copies of these instances, or all."""
    wanted = WantedCopy.objects.filter(
        backup=OuterRef("backup"), dropped_at=None, wanted_at__gt=now - WAITED_FOR
    )
    rows = _stored(instances).annotate(
        wanted_in=Subquery(wanted.order_by("id").values("repository__name")[:1])
    )
    return [StoredCopy(*row) for row in rows.values_list(*_COLUMNS, "wanted_in")]


def open_marks(instances: Collection[int] | None) -> dict[int, Mark]:
    """Return by copy the deletions that these instances' stored copies, or all, are marked for."""
    marked = Deletion.objects.filter(status=DeletionStatus.MARKED).order_by()
    if instances is not None:
        marked = marked.filter(copy__backup__instance__in=instances)
    marks = [Mark(*row) for row in marked.values_list(*Mark._fields)]
    return {mark.copy_id: mark for mark in marks}


def proof_results(instances: Collection[int] | None) -> tuple[set[int], set[int]]:
    """Return the copies with a failed newest proof, and those with a passed one."""
    newest = (
        Evidence.objects.current()
        .filter(copy__in=_stored(instances))
        .order_by()
        .values("copy", "operation")
        .annotate(newest=Max("id"))
        .values("newest")
    )
    failed: set[int] = set()
    passed: set[int] = set()
    for copy, good in (
        Evidence.objects.filter(pk__in=newest).order_by().values_list("copy", "passed")
    ):
        (passed if good else failed).add(copy)
    return failed, passed


def unhealthy_runs(instances: Collection[int] | None) -> dict[tuple[int, int], str]:
    """Return how the newest run with a result failed, by schedule and instance, where it did."""
    newer = Occurrence.objects.filter(
        schedule=OuterRef("schedule"),
        instance=OuterRef("instance"),
        due_at__gt=OuterRef("due_at"),
        status__in=CONCLUSIVE,
    )
    bad = Occurrence.objects.filter(
        ~Exists(newer), status__in=UNHEALTHY, schedule__operation=Operation.BACKUP
    )
    if instances is not None:
        bad = bad.filter(instance__in=instances)
    rows = bad.order_by().values_list("schedule", "instance", "status")
    return {
        (schedule, instance): OccurrenceStatus(status).label.lower()
        for schedule, instance, status in rows
    }


def unhealthy_instances(instances: Iterable[int]) -> set[int]:
    """Return the instances whose last backup job with a result has failed."""
    ended = Job.objects.filter(operation=Operation.BACKUP, status__in=TERMINAL_JOB_STATUSES)
    # One of chosen tables says nothing of the instance.
    ended = ended.exclude(WITHOUT_RESULT).exclude(kind__in=CHOSEN_KINDS)
    newer = ended.filter(instance=OuterRef("instance"), pk__gt=OuterRef("pk"))
    bad = ended.filter(~Exists(newer), status__in=BAD_ENDS, instance__in=list(instances))
    return set(bad.values_list("instance", flat=True))


def _stored(instances: Collection[int] | None) -> QuerySet[BackupCopy]:
    stored = BackupCopy.objects.filter(status=CopyStatus.STORED).order_by()
    return stored if instances is None else stored.filter(backup__instance__in=instances)
