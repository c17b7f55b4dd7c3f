"""How do made-up runs become rows? In bulk, in the order in which they need each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from django.db import transaction

from alerts.evaluation.evaluate import evaluate_all
from backups.access import store_of
from backups.health.protection_rows import judge_instances
from backups.models import (
    BackupSchedule,
    Instance,
    InstanceGroup,
    Repository,
    RepositorySpace,
    Tag,
)
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.states import BackupKind
from scripts.sample_catalog import Catalog
from scripts.sample_chains import LINKED_GROUPS
from scripts.sample_history import GRACE, SPREAD, WINDOW, nights_of
from scripts.sample_instances import SAMPLE, SampleInstance, sample_instances

# Never asked whether it answers: nobody would.
NEVER = timedelta(days=3650)


@transaction.atomic
def seed_fleet(
    folder: Path, now: datetime, samples: Sequence[SampleInstance] | None = None
) -> dict[str, int]:
    """Write the whole fleet; return how many rows of what there are."""
    samples = samples or sample_instances()
    repositories = _make_repositories(folder, now)
    instances = _make_instances(samples, now)
    schedules = _make_schedules(samples, instances, repositories, now)
    catalog = Catalog(repositories, now)
    for position, sample in enumerate(samples):
        nights = list(nights_of(sample, now, position))
        catalog.add(sample, instances[sample.name], nights, schedules.get(sample.name))
    counts = catalog.save()
    judge_instances([instance.pk for instance in instances.values()], now)
    evaluate_all(now)
    return {"instances": len(instances), **counts}


def _make_repositories(folder: Path, now: datetime) -> list[Repository]:
    made = []
    for name in ("sample-main", "sample-offsite"):
        path = folder / name
        path.mkdir(parents=True, exist_ok=True)
        row = Repository(name=name, path=str(path), created_at=now - timedelta(days=400))
        store = store_of(row)
        if not (path / "mooring.json").exists():
            store.initialise(Identity(str(uuid4()), FORMAT_VERSION))
        row.uuid = UUID(store.identity().uuid)
        row.save(force_insert=True)
        made.append(row)
        _measure(row, now)
    return made


def _measure(repository: Repository, now: datetime) -> None:
    """Past samples that lead to what the tick will measure on this machine's disk."""
    store = store_of(repository)
    free, total = store.free_bytes(), store.total_bytes()
    if free is None or total is None:
        return
    per_hour = (total - free) // (24 * 400)
    RepositorySpace.objects.bulk_create(
        RepositorySpace(
            repository=repository,
            measured_at=(now - timedelta(hours=hours)).replace(minute=2),
            free_bytes=free + per_hour * hours,
            total_bytes=total,
        )
        for hours in range(24 * 8, 0, -1)
    )


def _make_instances(samples: Sequence[SampleInstance], now: datetime) -> dict[str, Instance]:
    Instance.objects.bulk_create(_instance(sample, now) for sample in samples)
    rows = {row.name: row for row in Instance.objects.filter(name__in=[s.name for s in samples])}
    for name in dict.fromkeys([SAMPLE, *(sample.group for sample in samples)]):
        group, _ = InstanceGroup.objects.get_or_create(
            name=name, defaults={"description": "made up, to look at" if name == SAMPLE else ""}
        )
        group.instances.add(*(rows[s.name] for s in samples if name in (SAMPLE, s.group)))
    production, _ = Tag.objects.get_or_create(name="production")
    production.instances.add(*(rows[s.name] for s in samples if s.group != "office"))
    return rows


def _instance(sample: SampleInstance, now: datetime) -> Instance:
    away = sample.trouble == "unreachable"
    return Instance(
        name=sample.name,
        host=sample.host,
        user="mooring",
        enabled=sample.trouble != "disabled",
        engine=sample.engine,
        flavour=sample.flavour,
        version=sample.version,
        data_bytes=round(sample.first_bytes * sample.growth),
        seen_at=now - timedelta(hours=7) if away else now,
        unreachable_since=now - timedelta(hours=7) if away else None,
        unreachable_reason=f"cannot connect to {sample.host}:3306: no answer in time" * away,
        next_probe_at=now + NEVER,
        created_at=now - timedelta(days=2 if sample.trouble == "never" else 400),
    )


def _make_schedules(
    samples: Sequence[SampleInstance],
    instances: Mapping[str, Instance],
    repositories: Sequence[Repository],
    now: datetime,
) -> dict[str, BackupSchedule]:
    """Return the schedule of each instance that has one: of full backups, or of both kinds."""
    schedules: dict[str, BackupSchedule] = {}
    for linked in (False, True):
        names = [
            sample.name
            for sample in samples
            if (sample.group in LINKED_GROUPS) == linked and sample.trouble != "unplanned"
        ]
        if names:
            planned = [instances[name] for name in names]
            schedule = _make_schedule(planned, repositories, now, linked=linked)
            schedules |= dict.fromkeys(names, schedule)
    return schedules


def _make_schedule(
    planned: Sequence[Instance], repositories: Sequence[Repository], now: datetime, *, linked: bool
) -> BackupSchedule:
    """One that is kept to every night; nothing arms it, so that no job is ever started."""
    schedule = BackupSchedule.objects.create(
        name="sample-weekly-full" if linked else "sample-nightly",
        kind=BackupKind.INCREMENTAL if linked else BackupKind.FULL,
        cron="0 1 * * *",
        full_cron="0 1 * * 0" if linked else "",
        window=WINDOW,
        grace=GRACE,
        stagger=SPREAD,
        keep_for=None,
        created_at=now - timedelta(days=400),
    )
    schedule.instances.set(planned)
    schedule.repositories.set(repositories)
    return schedule
