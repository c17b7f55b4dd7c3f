"""Does a recovery of an instance to a moment work, and how long would one take now?"""

from __future__ import annotations

from dataclasses import dataclass

from backups.models import BinlogArchive, Drill, Instance
from backups.restores.estimates import Estimate
from backups.restores.next_recovery import predict_newest
from backups.states import DrillPoint


@dataclass(frozen=True, slots=True)
class RecoveryFacts:
    """What the page of an instance shows of its recovery."""

    # To the newest moment; of an instance without an archive, to its newest backup.
    estimate: Estimate
    archived: bool
    # The newest that went to a random moment and passed; None: none has.
    proven: Drill | None = None
    # The newest of all, if it failed.
    failed: Drill | None = None


def load_recovery(instance: Instance) -> RecoveryFacts:
    """Load it, in a constant number of queries."""
    archive = BinlogArchive.objects.filter(instance=instance).first()
    estimate = predict_newest(instance, archive)
    if archive is None:
        return RecoveryFacts(estimate, archived=False)
    drills = Drill.objects.filter(instance=instance).order_by("-id")
    newest = drills.first()
    return RecoveryFacts(
        estimate,
        archived=True,
        proven=drills.filter(point=DrillPoint.RANDOM, passed=True).first(),
        failed=newest if newest is not None and not newest.passed else None,
    )


def drill_of(job_id: int) -> Drill | None:
    """Return the result of a job that went on to a moment."""
    return Drill.objects.filter(job=job_id).first()
