"""What can be restored? Instances with backups, and the backups of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, OuterRef, Prefetch, QuerySet, Sum

from backups.models import Backup, BackupAncestor, BackupCopy, Deletion, Evidence, Instance
from backups.restores.marked import marks_of
from backups.restores.target import restored_size
from backups.states import CHOSEN_KINDS, CopyStatus, Operation
from monitor.selectors.costs import reading_cost
from monitor.selectors.proof import UNPROVEN, ProofSummary, load_proofs

INSTANCES_SHOWN = 24
PAGE_SIZE = 15
# Of this many tested backups, one has probably not failed a check since.
MAX_TESTED = 5


class ReadBytes(NamedTuple):
    """How many backups a restore reads, and at most how many stored bytes."""

    backups: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ReadCopies:
    """The copies that a restore reads, the full backup first."""

    copies: Sequence[BackupCopy]

    @property
    def stored_bytes(self) -> int:
        return sum(copy.stored_bytes for copy in self.copies)

    @property
    def cost(self) -> str:
        """What reading all of it costs, in words; blank where that is of no interest."""
        return reading_cost(self.copies)

    @property
    def note(self) -> str:
        packs = f"in {sum(copy.pack_count for copy in self.copies):,} packs"
        count = len(self.copies)
        size = packs if count == 1 else f"at most, {packs} of {count} backups"
        return f"{size}; cost {self.cost}" if self.cost else size


@dataclass(frozen=True, slots=True)
class RestoreCandidate:
    """A backup that can be restored, and its stored copies."""

    backup: Backup
    copies: Sequence[BackupCopy]
    proof: ProofSummary
    reads: ReadBytes
    # The deletions that copies are marked for.
    marks: Sequence[Deletion] = ()
    # The newest one with a passed restore test.
    recommended: bool = False

    @property
    def restored_bytes(self) -> int | None:
        return restored_size(self.backup)


@dataclass(frozen=True, slots=True)
class RestoreCandidates:
    """The newest tested backup, and one page of all of them."""

    recommended: RestoreCandidate | None
    page: Page[Backup]
    rows: list[RestoreCandidate]


def find_instances(text: str) -> list[Instance]:
    """Return instances with stored backups, by part of their name."""
    stored = Backup.objects.filter(instance=OuterRef("pk"), copies__status=CopyStatus.STORED)
    instances = Instance.objects.filter(Exists(stored), name__icontains=text)
    return list(instances.prefetch_related("groups")[:INSTANCES_SHOWN])


def load_candidates(instance: Instance, page: str | None) -> RestoreCandidates:
    """Load the restorable backups of ``instance``, the newest first."""
    shown = Paginator(_restorable(instance), PAGE_SIZE).get_page(page)
    backups = list(shown.object_list)
    proven = _newest_proven(instance)
    proofs = load_proofs([backup.pk for backup in backups])
    reads = _reads_of(backups)
    marks = marks_of(copy for backup in backups for copy in _stored_copies(backup))
    rows = [_candidate(row, proofs.get(row.pk, UNPROVEN), reads, marks) for row in backups]
    return RestoreCandidates(proven, shown, rows)


def read_copies(copy: BackupCopy) -> ReadCopies:
    """Return what a restore of a copy reads, from its repository."""
    ancestors = copy.backup.ancestors.order_by("position").values_list("ancestor", flat=True)
    needed = list(ancestors)
    copies = BackupCopy.objects.filter(backup__in=needed, repository=copy.repository)
    by_backup = {read.backup_id: read for read in copies.select_related("backup", "repository")}
    return ReadCopies([*(by_backup[pk] for pk in needed if pk in by_backup), copy])


def _reads_of(backups: Sequence[Backup]) -> dict[int, ReadBytes]:
    rows = BackupAncestor.objects.filter(backup__in=[backup.pk for backup in backups])
    sums = (
        rows.order_by().values_list("backup").annotate(Count("pk"), Sum("ancestor__stored_bytes"))
    )
    needed = {pk: (count, size or 0) for pk, count, size in sums}
    return {
        backup.pk: ReadBytes(1 + count, (backup.stored_bytes or 0) + size)
        for backup in backups
        for count, size in (needed.get(backup.pk, (0, 0)),)
    }


def copies_to_restore() -> QuerySet[BackupCopy]:
    """Return the stored copies."""
    return BackupCopy.objects.filter(status=CopyStatus.STORED).select_related(
        "backup__instance", "repository"
    )


def _restorable(instance: Instance) -> QuerySet[Backup]:
    copies = copies_to_restore().order_by("id")
    # Without a join: a backup with two copies is one row.
    stored = BackupCopy.objects.filter(backup=OuterRef("pk"), status=CopyStatus.STORED)
    return (
        Backup.objects.filter(Exists(stored), instance=instance)
        .order_by("-ended_at", "-id")
        .prefetch_related(Prefetch("copies", copies, to_attr="stored_copies"))
    )


def _newest_proven(instance: Instance) -> RestoreCandidate | None:
    passed = Evidence.objects.filter(
        copy__backup=OuterRef("pk"),
        copy__status=CopyStatus.STORED,
        operation=Operation.RESTORE_TEST,
        passed=True,
    )
    whole = _restorable(instance).exclude(kind__in=CHOSEN_KINDS)
    backups = list(whole.filter(Exists(passed))[:MAX_TESTED])
    proofs = load_proofs([backup.pk for backup in backups])
    good = (backup for backup in backups if proofs[backup.pk].sound)
    newest = next(good, None)
    if newest is None:
        return None
    marks = marks_of(_stored_copies(newest))
    return _candidate(newest, proofs[newest.pk], _reads_of([newest]), marks, recommended=True)


def _candidate(
    backup: Backup,
    proof: ProofSummary,
    reads: Mapping[int, ReadBytes],
    marks: Mapping[int, Deletion],
    *,
    recommended: bool = False,
) -> RestoreCandidate:
    copies = _stored_copies(backup)
    marked = [marks[copy.pk] for copy in copies if copy.pk in marks]
    return RestoreCandidate(backup, copies, proof, reads[backup.pk], marked, recommended)


def _stored_copies(backup: Backup) -> Sequence[BackupCopy]:
    """Return what the prefetch above has set, unknown to the types."""
    copies: list[BackupCopy] = backup.stored_copies  # type: ignore[attr-defined]
    return copies
