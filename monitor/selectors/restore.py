"""What can be restored? Instances with backups, and the backups of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from backups.models import Backup, BackupCopy, Evidence, Instance
from backups.states import CopyStatus, Operation
from monitor.selectors.proof import UNPROVEN, ProofSummary, load_proofs

INSTANCES_SHOWN = 24
PAGE_SIZE = 15
# Of this many tested backups, one has probably not failed a check since.
MAX_TESTED = 5


@dataclass(frozen=True, slots=True)
class RestoreCandidate:
    """A backup that can be restored, and its stored copies."""

    backup: Backup
    copies: Sequence[BackupCopy]
    proof: ProofSummary
    # The newest one with a passed restore test.
    recommended: bool = False


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
    rows = [_candidate(backup, proofs.get(backup.pk, UNPROVEN)) for backup in backups]
    return RestoreCandidates(proven, shown, rows)


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
    backups = list(_restorable(instance).filter(Exists(passed))[:MAX_TESTED])
    proofs = load_proofs([backup.pk for backup in backups])
    good = (backup for backup in backups if proofs[backup.pk].sound)
    newest = next(good, None)
    return _candidate(newest, proofs[newest.pk], recommended=True) if newest else None


def _candidate(
    backup: Backup, proof: ProofSummary, *, recommended: bool = False
) -> RestoreCandidate:
    # Set by the prefetch above, unknown to the types.
    copies: list[BackupCopy] = backup.stored_copies  # type: ignore[attr-defined]
    return RestoreCandidate(backup, copies, proof, recommended)
