"""What is the evidence for a backup? The newest verify and restore test of its stored copies.

Evidence is of the past. Whether the backup could be restored now is shown beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Max

from backups.catalog.restorable import SOUND, Condition, Obstacle, load_conditions
from backups.models import Evidence
from backups.states import CopyStatus, Operation


@dataclass(frozen=True, slots=True)
class ProofSummary:
    """The newest results; None: never checked, which is neither a pass nor a failure."""

    verified: Evidence | None = None
    restore_tested: Evidence | None = None
    condition: Condition = SOUND

    @property
    def failed(self) -> list[Evidence]:
        checks = (self.verified, self.restore_tested)
        return [evidence for evidence in checks if evidence and not evidence.passed]

    @property
    def obstacle(self) -> Obstacle | None:
        """Why the backup cannot be restored now, where that is another one's or the disk's fault.

        A failed check of its own has its own badge.
        """
        obstacle = self.condition.obstacle
        return None if obstacle is None or (obstacle.own and self.failed) else obstacle

    @property
    def sound(self) -> bool:
        """Whether nothing is known against a restore of it."""
        return not self.failed and self.condition.obstacle is None

    @property
    def proven(self) -> str:
        """The strongest proof that counts now, as a word for a badge; blank without one."""
        if self.restore_tested and self.restore_tested.passed:
            return "restore-tested"
        return "verified" if self.verified and self.verified.passed else ""


UNPROVEN = ProofSummary()


def load_proofs(backup_ids: Iterable[int]) -> Mapping[int, ProofSummary]:
    """Map the id of each backup that was checked, or has a stored copy, to its results."""
    ids = list(backup_ids)
    # Stored copies are filtered below: SQLite would read all stored copies.
    newest = (
        Evidence.objects.filter(copy__backup__in=ids)
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
    conditions = load_conditions(ids)
    return {
        backup_id: ProofSummary(
            checks.get((backup_id, Operation.VERIFY.value)),
            checks.get((backup_id, Operation.RESTORE_TEST.value)),
            conditions.get(backup_id, SOUND),
        )
        for backup_id in {*conditions, *(backup_id for backup_id, _ in checks)}
    }
