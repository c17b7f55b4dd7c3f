"""Whom does a schedule of verifies or restore tests prove at a due time?

What ``sampling`` is asked about, from rows: a fixed number of queries for any number of instances,
only at the due times of such a schedule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Exists, Max, OuterRef, QuerySet, Subquery, Sum

from backups.catalog.evidence import without_faults
from backups.health.usable import usable_copies, whole_copies
from backups.models import Backup, BackupCopy, BackupSchedule, Evidence, Instance
from backups.schedule import INSTANT, longest_pause
from backups.schedules.sampling import ProofCandidate, Round, choose_sample, too_large
from backups.states import CHOSEN_KINDS, LINK_KINDS, CopyStatus, Operation, ProofChoice
from backups.units import format_bytes


class ProofRound(NamedTuple):
    """Whom to prove, and whom not, with the reason."""

    chosen: Sequence[Instance]
    too_large: Sequence[tuple[Instance, str]] = ()


class LastProof(NamedTuple):
    """The newest evidence of an instance."""

    at: datetime
    passed: bool


def choose_proven(
    schedule: BackupSchedule, instances: Sequence[Instance], at: datetime
) -> ProofRound:
    """Choose among the covered instances, for a schedule that does not prove all of them."""
    ids = [instance.pk for instance in instances]
    if schedule.proof_choice == ProofChoice.ONCE:
        copies = without_proof(_restorable(ids), schedule)
        unproven = set(copies.values_list("backup__instance", flat=True))
        return ProofRound([instance for instance in instances if instance.pk in unproven])
    due = Round(
        at,
        longest_pause(schedule.rhythm, at - INSTANT),
        timedelta(days=schedule.proven_within_days),
        schedule.budget_bytes,
    )
    candidates = {each.key: each for each in load_candidates(schedule, ids, at)}
    chosen = set(choose_sample(candidates.values(), due))
    excluded = set(too_large(candidates.values(), due))
    return ProofRound(
        [instance for instance in instances if instance.pk in chosen],
        [
            (instance, _why_not(schedule, candidates[instance.pk]))
            for instance in instances
            if instance.pk in excluded
        ],
    )


def without_proof(copies: QuerySet[BackupCopy], schedule: BackupSchedule) -> QuerySet[BackupCopy]:
    """Leave the copies of backups of which no copy was ever proven as the schedule does it."""
    proven = Evidence.objects.current().filter(
        copy__backup=OuterRef("backup"), operation=schedule.operation
    )
    return copies.filter(~Exists(proven))


def load_candidates(
    schedule: BackupSchedule, ids: Sequence[int], at: datetime
) -> list[ProofCandidate]:
    """Load what is known of the instances that have a restorable backup."""
    costs = _costs(ids)
    last, changed = _last_proofs(schedule, ids), _changed_bytes(schedule, ids)
    tags = Instance.tags.through._default_manager.filter(
        instance_id__in=ids, tag_id__in=schedule.important_tags.values("pk")
    )
    important = set(tags.values_list("instance_id", flat=True))
    rows = Instance.objects.filter(pk__in=list(costs)).values_list("pk", "created_at", "data_bytes")
    return [
        ProofCandidate(
            pk,
            last[pk].at if pk in last else max(created_at, schedule.created_at),
            costs[pk],
            never_proven=pk not in last,
            failed=pk in last and not last[pk].passed,
            important=pk in important,
            changed=changed.get(pk, 0) / data_bytes if data_bytes else 0.0,
        )
        for pk, created_at, data_bytes in rows
    ]


def _why_not(schedule: BackupSchedule, candidate: ProofCandidate) -> str:
    not_done = "not verified" if schedule.operation == Operation.VERIFY else "not drilled"
    return (
        f"{not_done}, because it reads {format_bytes(candidate.cost_bytes)}, and the budget of "
        f"{schedule.name} is {format_bytes(schedule.budget_bytes or 0)}"
    )


def has_restorable(instance: Instance) -> bool:
    return _restorable([instance.pk]).exists()


def _restorable(ids: Sequence[int]) -> QuerySet[BackupCopy]:
    return without_faults(whole_copies(usable_copies())).filter(backup__instance__in=ids)


def _costs(ids: Sequence[int]) -> dict[int, int]:
    """Return by instance what its newest restorable backup and all that it needs occupy."""
    copies = without_faults(whole_copies(usable_copies())).filter(backup__instance=OuterRef("pk"))
    newest = Subquery(copies.order_by("-backup__ended_at", "pk").values("pk")[:1])
    rows = Instance.objects.filter(pk__in=ids).annotate(newest=newest)
    by_copy = dict(rows.filter(newest__isnull=False).values_list("newest", "pk"))
    read = BackupCopy.objects.in_bulk(list(by_copy))
    needed = BackupCopy.objects.filter(
        status=CopyStatus.STORED,
        backup__descendants__backup__in=[copy.backup_id for copy in read.values()],
    )
    grouped = needed.order_by().values_list("backup__descendants__backup", "repository")
    bases = {
        (backup, repository): stored
        for backup, repository, stored in grouped.annotate(Sum("stored_bytes"))
    }
    return {
        by_copy[pk]: copy.stored_bytes + bases.get((copy.backup_id, copy.repository_id), 0)
        for pk, copy in read.items()
    }


def _last_proofs(schedule: BackupSchedule, ids: Sequence[int]) -> Mapping[int, LastProof]:
    # One of a partial backup says nothing of the instance.
    evidence = (
        Evidence.objects.current()
        .filter(operation=schedule.operation, copy__backup__instance__in=ids)
        .exclude(copy__backup__kind__in=CHOSEN_KINDS)
        .order_by()
    )
    newest = evidence.values_list("copy__backup__instance").annotate(Max("id"))
    by_row = {row: pk for pk, row in newest}
    rows = Evidence.objects.filter(pk__in=list(by_row)).values_list("pk", "created_at", "passed")
    return {by_row[row]: LastProof(at, passed) for row, at, passed in rows}


def _changed_bytes(schedule: BackupSchedule, ids: Sequence[int]) -> dict[int, int]:
    """Return by instance what its increments since its last proof hold."""
    last = Evidence.objects.filter(
        operation=schedule.operation, copy__backup__instance=OuterRef("instance")
    ).order_by("-id")
    increments = Backup.objects.filter(
        instance__in=ids,
        kind__in=LINK_KINDS,
        ended_at__gt=Subquery(last.values("created_at")[:1]),
    )
    rows = increments.order_by().values_list("instance").annotate(Sum("raw_bytes"))
    return {pk: size or 0 for pk, size in rows}
