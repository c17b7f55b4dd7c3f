"""How are the rows of ObjectiveStanding and ObjectiveDay kept current?

A tick judges the instances that are due, 500 at a time; lists and rules read the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from backups.models import Instance, ObjectiveDay, ObjectiveStanding
from backups.objectives.facts import KnownRows, facts_of, load_known
from backups.objectives.judging import ObjectiveFacts, judge
from backups.objectives.narrowest import Objectives
from backups.objectives.trend import MOST_DAYS, missed_from

CHECK_EVERY = timedelta(minutes=5)
BATCH = 500
# In one tick; a large fleet takes several.
MOST = 2_000
# Of the oldest days, in one tick.
PRUNED_AT_ONCE = 5_000

_Days = Mapping[int, Sequence[ObjectiveDay]]


def judge_due(now: datetime) -> int:
    """Judge the instances that are due, the longest waiting first; return how many."""
    due_now = Q(standing=None) | Q(standing__next_check_at__lte=now)
    due = Instance.objects.filter(due_now).order_by("standing__next_check_at", "pk")
    ids = list(due.values_list("pk", flat=True)[:MOST])
    judge_instances(ids, now)
    return len(ids)


def judge_instances(ids: Iterable[int], now: datetime) -> None:
    """Judge these instances and write their rows."""
    wanted = list(ids)
    for start in range(0, len(wanted), BATCH):
        _judge_batch(wanted[start : start + BATCH], now)


def standing_of(instance: Instance, now: datetime) -> ObjectiveStanding:
    """Judge one instance at this moment, for its own page. Writes nothing."""
    return _judge([instance], now)[0]


def prune_days(now: datetime) -> int:
    """Delete some of the days that are older than history is kept; return how many."""
    before = now.astimezone(UTC).date() - timedelta(days=settings.HISTORY_DAYS)
    old = ObjectiveDay.objects.filter(day__lt=before).order_by("day")
    ids = list(old.values_list("pk", flat=True)[:PRUNED_AT_ONCE])
    ObjectiveDay.objects.filter(pk__in=ids).delete()
    return len(ids)


def _judge_batch(ids: Sequence[int], now: datetime) -> None:
    before = {row.instance_id: row for row in ObjectiveStanding.objects.filter(instance__in=ids)}
    instances = list(Instance.objects.filter(pk__in=ids).order_by("pk"))
    today = now.astimezone(UTC).date()
    over = [row for row in before.values() if row.day < today and _has_objective(row)]
    with transaction.atomic():
        ObjectiveDay.objects.bulk_create(map(_day_of, over), ignore_conflicts=True)
        rows = _judge(instances, now, before)
        ObjectiveStanding.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["instance"], update_fields=_COLUMNS
        )


def _judge(
    instances: Sequence[Instance],
    now: datetime,
    before: Mapping[int, ObjectiveStanding] | None = None,
) -> list[ObjectiveStanding]:
    known = load_known(instances, now)
    rows = before or {}
    unsure = [each.pk for each in instances if _trend_is_due(rows.get(each.pk), known, each, now)]
    days = _load_days(unsure)
    return [_row(each, known, now, rows.get(each.pk), days) for each in instances]


def _trend_is_due(
    row: ObjectiveStanding | None, known: KnownRows, instance: Instance, now: datetime
) -> bool:
    """Whether a trend is computed again: once a day, and where an objective changed."""
    objectives = known.objectives[instance.pk]
    if objectives == Objectives():
        return False
    if row is None or row.day != now.astimezone(UTC).date():
        return True
    return (row.rpo, row.rto) != _lengths(objectives)


def _load_days(ids: Sequence[int]) -> _Days:
    newest: defaultdict[int, list[ObjectiveDay]] = defaultdict(list)
    for row in ObjectiveDay.objects.filter(instance__in=ids).order_by("instance", "-day"):
        if len(newest[row.instance_id]) < MOST_DAYS:
            newest[row.instance_id].append(row)
    return {pk: newest[pk][::-1] for pk in ids}


def _row(
    instance: Instance,
    known: KnownRows,
    now: datetime,
    before: ObjectiveStanding | None,
    days: _Days,
) -> ObjectiveStanding:
    facts = _with_trend(facts_of(instance, known, now), before, days.get(instance.pk), now)
    objectives, recovery = facts.objectives, facts.recovery
    if not instance.enabled:
        facts = ObjectiveFacts(now, Objectives())
    judged = judge(facts)
    rpo, rto = _lengths(objectives)
    row = ObjectiveStanding(
        instance=instance,
        rpo=rpo,
        rto=rto,
        rpo_scope=objectives.rpo.scope if objectives.rpo else "",
        rto_scope=objectives.rto.scope if objectives.rto else "",
        rpo_level=judged.rpo,
        rto_level=judged.rto,
        level=judged.level,
        reasons="\n".join(judged.reasons),
        reached_at=facts.reached_at,
        recovery_low=recovery.low,
        recovery=recovery.middle,
        recovery_high=recovery.high,
        recovery_basis=recovery.basis[:300],
        rpo_missed_from=facts.rpo_missed_from,
        rto_missed_from=facts.rto_missed_from,
        proven_at=known.proven.get(instance.pk),
        day=now.astimezone(UTC).date(),
        judged_at=now,
        next_check_at=now + CHECK_EVERY,
    )
    row.worst_age = _worst_age(row, before, now)
    return row


def _worst_age(
    row: ObjectiveStanding, before: ObjectiveStanding | None, now: datetime
) -> timedelta | None:
    """Return how old the newest moment was at most today, one that a backup has renewed too."""
    if row.reached_at is None:
        return None
    ages = [max(now - row.reached_at, timedelta(0))]
    if before is not None and before.day == row.day and before.worst_age is not None:
        ages.append(before.worst_age)
    return max(ages)


def _with_trend(
    facts: ObjectiveFacts,
    before: ObjectiveStanding | None,
    days: Sequence[ObjectiveDay] | None,
    now: datetime,
) -> ObjectiveFacts:
    if days is None:
        # Drawn before today.
        if before is None:
            return facts
        return replace(
            facts, rpo_missed_from=before.rpo_missed_from, rto_missed_from=before.rto_missed_from
        )
    today = now.astimezone(UTC).date()
    ages = [(row.day, row.worst_age) for row in days if row.worst_age is not None]
    recoveries = [(row.day, row.recovery) for row in days if row.recovery is not None]
    rpo, rto = _lengths(facts.objectives)
    return replace(
        facts,
        rpo_missed_from=_crossing(ages, rpo, today),
        rto_missed_from=_crossing(recoveries, rto, today),
    )


def _crossing(
    series: Sequence[tuple[date, timedelta]], objective: timedelta | None, today: date
) -> date | None:
    return None if objective is None else missed_from(series, objective, today)


def _lengths(objectives: Objectives) -> tuple[timedelta | None, timedelta | None]:
    rpo, rto = objectives.rpo, objectives.rto
    return rpo.length if rpo else None, rto.length if rto else None


def _has_objective(row: ObjectiveStanding) -> bool:
    return row.rpo is not None or row.rto is not None


def _day_of(row: ObjectiveStanding) -> ObjectiveDay:
    return ObjectiveDay(
        instance_id=row.instance_id,
        day=row.day,
        worst_age=row.worst_age,
        recovery=row.recovery,
        recovery_high=row.recovery_high,
    )


_COLUMNS = [
    field.name
    for field in ObjectiveStanding._meta.concrete_fields
    if field.name not in ("id", "instance")
]
