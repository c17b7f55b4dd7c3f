"""What proves a backup? The newest verify and restore test of each stored copy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Max

from backups.models import Evidence
from backups.states import CopyStatus, Operation


@dataclass(frozen=True, slots=True)
class Proof:
    """None means that it was never tried: neither a fault nor a pass."""

    verified: Evidence | None = None
    restore_tested: Evidence | None = None

    @property
    def failed(self) -> list[Evidence]:
        found = (self.verified, self.restore_tested)
        return [evidence for evidence in found if evidence and not evidence.passed]


UNPROVEN = Proof()


def load_proofs(backup_ids: Iterable[int]) -> Mapping[int, Proof]:
    """Map the id of each backup that was ever tried to what came of it."""
    # Which copies are stored is looked at here: asked of it, SQLite would read all stored ones.
    newest = (
        Evidence.objects.filter(copy__backup__in=list(backup_ids))
        .order_by()
        .values("copy", "operation")
        .annotate(newest=Max("id"))
        .values("newest")
    )
    found: dict[tuple[int, str], Evidence] = {}
    for evidence in Evidence.objects.filter(pk__in=newest).select_related("copy").order_by("id"):
        if evidence.copy.status != CopyStatus.STORED or not evidence.is_current:
            continue
        key = (evidence.copy.backup_id, evidence.operation)
        # One damaged copy is what people must hear of, whatever the other copies say.
        if key not in found or found[key].passed:
            found[key] = evidence
    return {
        backup_id: Proof(
            found.get((backup_id, Operation.VERIFY.value)),
            found.get((backup_id, Operation.RESTORE_TEST.value)),
        )
        for backup_id in {backup_id for backup_id, _ in found}
    }
