"""The facts that rules check, read in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from alerts.facts.belonging import Belonging, load_belonging
from alerts.facts.load_binlogs import build_binlogs
from alerts.facts.load_chains import build_chains
from alerts.facts.load_copies import build_missing_copies
from alerts.facts.load_evidence import build_broken_evidence, build_drills, build_evidence
from alerts.facts.load_forecasts import build_forecasts
from alerts.facts.load_history import History, load_history
from alerts.facts.load_instances import (
    InstanceRow,
    build_backup_facts,
    build_instance_facts,
    load_instances,
)
from alerts.facts.load_jobs import build_active_jobs, build_failures
from alerts.facts.load_objectives import build_standings, load_standings, rpo_of
from alerts.facts.load_occurrences import build_late, build_missed
from alerts.facts.load_proofs import build_unproven
from alerts.facts.load_recoverable import Archived, load_recoverable
from alerts.facts.load_site import load_site_facts
from alerts.facts.load_spread import build_spread
from alerts.facts.load_success import build_successes
from alerts.facts.subject import Facts, Subject
from backups.models import ObjectiveStanding

__all__ = ["Facts", "Subject", "load_fleet_facts", "load_site_facts"]


def load_fleet_facts(
    ids: Sequence[int],
    now: datetime,
    *,
    held_jobs: Collection[int] = (),
    ended_jobs: Collection[int] = (),
    with_spread: bool = False,
) -> list[Facts]:
    """Read the facts of these instances, except disabled ones.

    ``held_jobs`` are the jobs of open alerts, read at any age; ``ended_jobs`` are new successes;
    ``with_spread``: whether a rule about 3-2-1-1-0 is to be checked, which most sites have off.
    """
    rows = load_instances(ids)
    belongings = load_belonging({pk: row.name for pk, row in rows.items()}, now)
    history = load_history(list(rows))
    recoverable = load_recoverable(list(rows))
    standings = load_standings(rows)
    facts = _of_instances(now, rows, belongings, history, recoverable, standings)
    facts += build_standings(now, belongings, standings)
    facts += build_backup_facts(now, belongings, history)
    facts += build_chains(now, belongings, history)
    facts += build_failures(now, belongings, held_jobs)
    facts += build_active_jobs(now, belongings, history)
    facts += build_late(now, belongings)
    facts += build_missed(now, belongings)
    facts += build_unproven(now, belongings)
    facts += build_forecasts(now, belongings, history)
    facts += build_evidence(now, belongings)
    facts += build_drills(now, belongings)
    facts += build_broken_evidence(now, belongings)
    facts += build_missing_copies(now, belongings)
    facts += build_binlogs(now, belongings)
    if with_spread:
        facts += build_spread(now, belongings, history)
    if ended_jobs:
        facts += build_successes(now, belongings, ended_jobs)
    return facts


def _of_instances(
    now: datetime,
    rows: Mapping[int, InstanceRow],
    belongings: Mapping[int, Belonging],
    history: History,
    recoverable: Mapping[int, Archived],
    standings: Mapping[int, ObjectiveStanding],
) -> list[Facts]:
    return [
        build_instance_facts(
            now, row, belongings[pk], history, recoverable.get(pk), rpo=rpo_of(standings, pk)
        )
        for pk, row in rows.items()
    ]
