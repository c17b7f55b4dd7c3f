"""How are the rows of InstanceProtection kept current, at a constant number of queries?

A tick assesses the instances that are due: at once after one of their jobs has ended, otherwise
every two minutes, because backups age.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from backups.health.protection_facts import (
    Schedules,
    find_candidates,
    gather_facts,
    next_run,
    schedules_of,
)
from backups.models import Backup, Instance, InstanceProtection
from backups.protection import Level, Protection, judge

CHECK_EVERY = timedelta(minutes=2)
BATCH = 500
# In one tick; a new large fleet takes several.
MOST = 5_000
RANKS = {level: rank for rank, level in enumerate(Level)}


def judge_due(now: datetime) -> int:
    """Assess the instances that are due, the longest waiting first; return how many."""
    due_now = Q(protection=None) | Q(protection__next_check_at__lte=now)
    due = Instance.objects.filter(due_now).order_by("protection__next_check_at", "pk")
    ids = list(due.values_list("pk", flat=True)[:MOST])
    judge_instances(ids, now)
    return len(ids)


def judge_instances(ids: Iterable[int], now: datetime) -> None:
    """Assess these instances and write their rows."""
    wanted = list(ids)
    for start in range(0, len(wanted), BATCH):
        _judge_batch(wanted[start : start + BATCH], now)


def judge_one(instance: Instance, schedules: Schedules, now: datetime) -> Protection:
    """Assess one instance at this moment, for its own page. Writes nothing."""
    return judge(gather_facts(find_candidates([instance.pk]), schedules, now)[instance.pk])


def _judge_batch(ids: Sequence[int], now: datetime) -> None:
    candidates = find_candidates(ids)
    schedules = schedules_of(ids)
    facts = gather_facts(candidates, schedules, now)
    backups = Backup.objects.in_bulk(
        [candidate.newest_id for candidate in candidates if candidate.newest_id]
    )
    rows = []
    for candidate in candidates:
        row = _row(judge(facts[candidate.pk]), backups.get(candidate.newest_id or 0), now)
        row.instance_id, row.last_job_id = candidate.pk, candidate.last_job_id
        row.full_at = candidate.full_at
        links = (candidate.incremental_at, candidate.differential_at)
        row.link_at = max((at for at in links if at is not None), default=None)
        row.next_run_at = next_run(schedules[candidate.pk])
        rows.append(row)
    InstanceProtection.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["instance"], update_fields=_COLUMNS
    )


def _row(answer: Protection, newest: Backup | None, now: datetime) -> InstanceProtection:
    row = InstanceProtection(
        level=answer.level.value,
        rank=RANKS[answer.level],
        reasons="\n".join(answer.reasons),
        newest_backup=newest,
        judged_at=now,
        next_check_at=now + CHECK_EVERY,
    )
    if newest is not None:
        row.backup_at, row.raw_bytes = newest.ended_at, newest.raw_bytes
        row.run_time, row.lock_time = newest.run_time, newest.lock_time
    return row


_COLUMNS = [
    field.name
    for field in InstanceProtection._meta.concrete_fields
    if field.name not in ("id", "instance")
]
