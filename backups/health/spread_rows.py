"""Which rows decide whether copies are spread? In three queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import Count, Q

from backups.health.protection_facts import Schedules, covers_of, schedules_of
from backups.health.spread import PlacedCopy, SpreadAnswer, SpreadFacts, judge_spread
from backups.health.usable import lasting_copies, whole_copies
from backups.models import BackupCopy, Evidence, Instance, Repository
from backups.models.repository import RepositoryKind
from backups.protection import oldest_full
from backups.states import CopyStatus


def spread_of(
    instances: Sequence[Instance], now: datetime, schedules: Schedules | None = None
) -> dict[int, tuple[SpreadAnswer, ...]]:
    """Judge these instances; ``schedules`` is the result of ``schedules_of``, if it is known."""
    ids = [instance.pk for instance in instances]
    schedules = schedules_of(ids) if schedules is None else schedules
    oldest = {pk: oldest_full(covers_of(schedules[pk], now)) for pk in ids}
    since = now - max(oldest.values(), default=timedelta())
    placed, faulty = _newest_copies(ids, since), _faulty(ids)
    return {
        instance.pk: judge_spread(
            SpreadFacts(
                now=now,
                oldest=oldest[instance.pk],
                site=instance.site,
                medium=_device(instance.data_device),
                copies=placed[instance.pk],
                faulty=faulty.get(instance.pk, 0),
            )
        )
        for instance in instances
    }


def _newest_copies(ids: Sequence[int], since: datetime) -> Mapping[int, Sequence[PlacedCopy]]:
    """Return the newest usable copy of each instance in each repository; none from before."""
    recent = whole_copies(lasting_copies()).filter(
        backup__instance__in=ids, backup__ended_at__gte=since
    )
    rows = recent.select_related("backup", "repository").order_by("backup__ended_at", "pk")
    newest = {(copy.backup.instance_id, copy.repository_id): copy for copy in rows}
    passed, failed = _proofs([copy.pk for copy in newest.values()])
    copies: defaultdict[int, list[PlacedCopy]] = defaultdict(list)
    for (instance, _), copy in newest.items():
        copies[instance].append(
            PlacedCopy(
                copy.repository.name,
                copy.backup.ended_at,
                _medium(copy.repository),
                copy.repository.site,
                copy.repository.why_undeletable,
                passed.get(copy.pk),
                copy.pk in failed,
            )
        )
    return copies


def _proofs(copies: Sequence[int]) -> tuple[dict[int, datetime], set[int]]:
    """Return when each copy last passed a check, and the copies whose newest check failed."""
    rows = Evidence.objects.current().filter(copy__in=copies).order_by("pk")
    passed: dict[int, datetime] = {}
    newest: dict[tuple[int, str], bool] = {}
    for copy, operation, good, at in rows.values_list("copy", "operation", "passed", "created_at"):
        newest[copy, operation] = good
        if good:
            passed[copy] = at
    return passed, {copy for (copy, _), good in newest.items() if not good}


def _faulty(ids: Sequence[int]) -> dict[int, int]:
    rows = BackupCopy.objects.filter(
        ~Q(fault="") | ~Q(key_fault=""), backup__instance__in=ids, status=CopyStatus.STORED
    )
    counts = rows.order_by().values("backup__instance").annotate(count=Count("pk"))
    return {row["backup__instance"]: row["count"] for row in counts}


def _device(device: int | None) -> str:
    return "" if device is None else f"disk {device}"


def _medium(repository: Repository) -> str:
    if repository.kind == RepositoryKind.DIRECTORY:
        return _device(repository.device)
    return repository.address
