"""Set and remove objectives: recorded, and every instance is judged again."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from backups.activity import record
from backups.models import ObjectiveStanding, RecoveryObjective
from backups.models.activity import Verb
from backups.units import format_duration


@transaction.atomic
def save_objective(objective: RecoveryObjective, now: datetime) -> None:
    """Save an objective that was checked."""
    new = objective.pk is None
    objective.save()
    record(Verb.ADDED if new else Verb.CHANGED, objective, details=_lengths(objective))
    judge_all_again(now)


@transaction.atomic
def remove_objective(objective: RecoveryObjective, now: datetime) -> None:
    """Remove an objective: the wider scope applies again."""
    record(Verb.DELETED, objective, details=_lengths(objective))
    objective.delete()
    judge_all_again(now)


def judge_all_again(now: datetime) -> None:
    """Have the next tick judge every instance: which ones a scope has may have changed too."""
    ObjectiveStanding.objects.filter(next_check_at__gt=now).update(next_check_at=now)


def _lengths(objective: RecoveryObjective) -> dict[str, object]:
    lengths = {"RPO": objective.rpo, "RTO": objective.rto}
    return {name: format_duration(length) for name, length in lengths.items() if length}
