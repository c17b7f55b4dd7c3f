"""Which proofs does a backup have? The newest evidence of each kind, as rows and as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from backups.models import Backup, BackupAncestor, BackupCopy, Drill, Evidence
from backups.states import CopyStatus, Operation


@dataclass(slots=True)
class BackupProof:
    """The newest verify and the newest restore test of a backup's stored copies."""

    stored_in: list[str] = field(default_factory=list)
    verify: Evidence | None = None
    restore_test: Evidence | None = None
    # The newest recovery to a moment that began with it and passed. One that failed is no proof
    # against the backup.
    drill: Drill | None = None

    @property
    def verified_at(self) -> datetime | None:
        return self.verify.created_at if self.verify and self.verify.passed else None

    @property
    def restore_tested_at(self) -> datetime | None:
        test = self.restore_test
        return test.created_at if test and test.passed else None

    def in_words(self) -> str:
        """Return it as a short text; not proven is not the same as faulty."""
        parts = [
            _words(self.verify, _verified(self.verify), "verify failed"),
            _words(self.restore_test, "restore-tested", "restore test failed"),
            "drilled" if self.drill is not None else "",
        ]
        return ", ".join(part for part in parts if part) or "not proven yet"


def without_faults(copies: QuerySet[BackupCopy]) -> QuerySet[BackupCopy]:
    """Exclude copies whose newest verify or restore test failed; unproven ones stay.

    Excluded as well are those that need such a copy, in the same repository.
    """
    faulty = with_newest_proofs(BackupCopy.objects.all()).filter(
        Q(newest_verify=False) | Q(newest_restore_test=False),
        backup=OuterRef("ancestor"),
        repository=OuterRef(OuterRef("repository")),
    )
    needed = BackupAncestor.objects.filter(Exists(faulty), backup=OuterRef("backup"))
    sound = with_newest_proofs(copies).filter(~Exists(needed))
    for name in ("newest_verify", "newest_restore_test"):
        sound = sound.filter(Q(**{name: True}) | Q(**{f"{name}__isnull": True}))
    return sound


def with_passed_proof(copies: QuerySet[BackupCopy]) -> QuerySet[BackupCopy]:
    """Leave the copies that a verify or a restore test has proven, and that none has refuted."""
    passed = Q(newest_verify=True) | Q(newest_restore_test=True)
    return without_faults(copies).filter(passed)


def with_newest_proofs(copies: QuerySet[BackupCopy]) -> QuerySet[BackupCopy]:
    """Annotate with whether the newest proof of each kind passed; null without one."""
    for operation in (Operation.VERIFY, Operation.RESTORE_TEST):
        newest = Evidence.objects.current().filter(copy=OuterRef("pk"), operation=operation)
        passed = Subquery(newest.order_by("-id").values("passed")[:1])
        copies = copies.annotate(**{f"newest_{operation.value}": passed})
    return copies


def load_proofs(backups: Iterable[Backup]) -> dict[int, BackupProof]:
    """Map each backup's id to its proof, in two queries beside those for the backups."""
    proofs = {backup.pk: BackupProof() for backup in backups}
    for backup in backups:
        proofs[backup.pk].stored_in = [
            copy.repository.name for copy in backup.copies.all() if copy.status == CopyStatus.STORED
        ]
    evidence = (
        Evidence.objects.current()
        .filter(copy__backup__in=list(proofs), copy__status=CopyStatus.STORED)
        .select_related("copy")
    )
    for proven in evidence.order_by("id"):
        proof = proofs[proven.copy.backup_id]
        if proven.operation == Operation.VERIFY:
            proof.verify = proven
        else:
            proof.restore_test = proven
    drills = Drill.objects.filter(
        copy__backup__in=list(proofs),
        copy__status=CopyStatus.STORED,
        passed=True,
        # Of the bytes that are registered now.
        job__evidence__manifest_digest=F("copy__manifest_digest"),
    )
    for drill in drills.select_related("copy").order_by("id"):
        proofs[drill.copy.backup_id].drill = drill
    return proofs


def _verified(evidence: Evidence | None) -> str:
    return "verified with pages" if evidence and evidence.report.get("pages") else "verified"


def _words(evidence: Evidence | None, passed: str, failed: str) -> str:
    if evidence is None:
        return ""
    return passed if evidence.passed else failed.upper()
