"""How do instances stand against their recovery objectives? In one query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import Q

from alerts.facts.belonging import Belonging
from alerts.facts.objective import StandingFacts
from backups.models import ObjectiveStanding
from backups.objectives.judging import PredictedRecovery


def load_standings(ids: Iterable[int]) -> dict[int, ObjectiveStanding]:
    """Return the rows of those of these instances that have an objective."""
    has_one = Q(rpo__isnull=False) | Q(rto__isnull=False)
    rows = ObjectiveStanding.objects.filter(has_one, instance__in=list(ids))
    return {row.instance_id: row for row in rows}


def rpo_of(standings: Mapping[int, ObjectiveStanding], pk: int) -> timedelta | None:
    return standings[pk].rpo if pk in standings else None


def build_standings(
    now: datetime, belongings: Mapping[int, Belonging], standings: Mapping[int, ObjectiveStanding]
) -> list[StandingFacts]:
    """Return the facts of the instances that have an objective."""
    return [
        StandingFacts(
            now=now,
            subject=belongings[pk].subject(f"instance:{pk}", pk),
            rpo=row.rpo,
            rto=row.rto,
            rpo_level=row.rpo_level,
            rto_level=row.rto_level,
            reaches=row.reached_at is not None,
            recovery=_recovery(row),
            rpo_missed_from=row.rpo_missed_from,
            rto_missed_from=row.rto_missed_from,
        )
        for pk, row in standings.items()
    ]


def _recovery(row: ObjectiveStanding) -> str:
    found = PredictedRecovery(row.recovery_low, row.recovery, row.recovery_high, row.recovery_basis)
    return found.words
