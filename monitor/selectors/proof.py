"""What is the evidence for a backup? The newest verify and restore test of its stored copies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Max

from backups.models import Evidence
from backups.states import CopyStatus, Operation


@dataclass(frozen=True, slots=True)
class ProofSummary:
    """The newest results; None: never checked, which is neither a pass nor a failure."""

    verified: Evidence | None = None
    restore_tested: Evidence | None = None

    @property
    def failed(self) -> list[Evidence]:
        checks = (self.verified, self.restore_tested)
        return [evidence for evidence in checks if evidence and not evidence.passed]


UNPROVEN = ProofSummary()


def load_proofs(backup_ids: Iterable[int]) -> Mapping[int, ProofSummary]:
    """Map the id of each checked backup to its results."""
    # Stored copies are filtered below: SQLite would read all stored copies.
    newest = (
        Evidence.objects.filter(copy__backup__in=list(backup_ids))
        .order_by()
        .values("copy", "operation")
        .annotate(newest=Max("id"))
        .values("newest")
    )
    checks: dict[tuple[int, str], Evidence] = {}
    for evidence in Evidence.objects.filter(pk__in=newest).select_related("copy").order_by("id"):
        if evidence.copy.status != CopyStatus.STORED or not evidence.is_current:
            continue
        key = (evidence.copy.backup_id, evidence.operation)
        # A failed check of one copy takes precedence over passed checks of others.
        if key not in checks or checks[key].passed:
            checks[key] = evidence
    return {
        backup_id: ProofSummary(
            checks.get((backup_id, Operation.VERIFY.value)),
            checks.get((backup_id, Operation.RESTORE_TEST.value)),
        )
        for backup_id in {backup_id for backup_id, _ in checks}
    }
