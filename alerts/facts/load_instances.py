"""How are the facts of instances and of their newest backups read?

A fixed number of queries for however many instances. Each takes the newest rows of every
instance through an index, so that a year of history costs no more than a month.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, F, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from alerts.facts.belonging import Belonging
from alerts.facts.instance import BackupFacts, InstanceFacts, PastBackup
from backups.models import Backup, BackupCopy, Instance, Job
from backups.norms import DEPTH, Norm, measure_norm
from backups.states import BackupKind, CopyStatus, JobStatus, Operation

# Those that are taken again and again, and can be compared with one another.
COMPARED = (BackupKind.FULL, BackupKind.INCREMENTAL, BackupKind.DIFFERENTIAL)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

History = Mapping[tuple[int, str], Sequence[PastBackup]]


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """The columns of an instance that rules ask about."""

    id: int
    name: str
    created_at: datetime
    flavour: str
    engine: str
    version: str
    unreachable_since: datetime | None
    unreachable_reason: str
    restore_tested_at: datetime | None


def load_instances(ids: Sequence[int]) -> dict[int, InstanceRow]:
    """Read the enabled ones among these."""
    tests = Job.objects.filter(
        instance=OuterRef("pk"), operation=Operation.RESTORE_TEST, status=JobStatus.SUCCEEDED
    )
    newest_test = Subquery(tests.order_by("-id").values("ended_at")[:1])
    rows = Instance.objects.filter(pk__in=ids, enabled=True).annotate(tested_at=newest_test)
    columns = rows.order_by("id").values_list(
        "id", "name", "created_at", "flavour", "engine", "version",
        "unreachable_since", "unreachable_reason", "tested_at",
    )  # fmt: skip
    return {row[0]: InstanceRow(*row) for row in columns}


def load_history(ids: Sequence[int]) -> History:
    """Read the newest backups of each instance and kind, the newest first."""
    history: defaultdict[tuple[int, str], list[PastBackup]] = defaultdict(list)
    for kind in COMPARED:
        for pk, backup in _newest_backups(ids, kind):
            history[pk, kind.value].append(backup)
    for backups in history.values():
        backups.sort(key=lambda backup: (backup.ended_at, backup.id), reverse=True)
        del backups[DEPTH + 1 :]
    return history


def build_instance_facts(
    now: datetime, row: InstanceRow, belonging: Belonging, history: History
) -> InstanceFacts:
    return InstanceFacts(
        now=now,
        subject=belonging.subject(f"instance:{row.id}", row.id),
        created_at=row.created_at,
        flavour=row.flavour,
        engine=row.engine,
        version=row.version,
        unreachable_since=row.unreachable_since,
        unreachable_reason=row.unreachable_reason,
        scheduled_kinds=frozenset(schedule.kind for schedule in belonging.schedules),
        last_success={
            kind: history[row.id, kind][0].ended_at
            for kind in COMPARED
            if (row.id, kind.value) in history
        },
        restore_tested_at=row.restore_tested_at,
    )


def build_backup_facts(
    now: datetime, belongings: Mapping[int, Belonging], history: History
) -> Iterator[BackupFacts]:
    """Yield the newest backup of each instance and kind, with what is usual of the others."""
    newest = {backups[0].id: backups[0] for backups in history.values()}
    stored = _count_copies(list(newest))
    wanted = _count_wanted([each.job_id for each in newest.values() if each.job_id is not None])
    for (pk, kind), (backup, *before) in history.items():
        sizes = [float(each.raw_bytes) for each in before if each.raw_bytes]
        yield BackupFacts(
            now=now,
            subject=belongings[pk].subject(
                f"instance:{pk}/{kind}",
                pk,
                name=f"{belongings[pk].name}, {kind} backup",
                job_id=backup.job_id,
            ),
            kind=kind,
            backup=backup,
            usual_bytes=measure_norm(sizes),
            usual_seconds=usual_seconds(before),
            wanted_copies=wanted.get(backup.job_id) if backup.job_id is not None else None,
            stored_copies=stored[backup.id],
        )


def usual_seconds(backups: Sequence[PastBackup]) -> Norm | None:
    return measure_norm([backup.run_time.total_seconds() for backup in backups])


def _newest_backups(ids: Sequence[int], kind: BackupKind) -> Iterator[tuple[int, PastBackup]]:
    # The moment from which on an instance has DEPTH + 1 of them: found, and read, by index.
    same = Backup.objects.filter(instance=OuterRef("pk"), kind=kind).order_by("-ended_at")
    since = Subquery(same.values("ended_at")[DEPTH : DEPTH + 1])
    rows = (
        Instance.objects.filter(pk__in=ids)
        .alias(since=Coalesce(since, Value(_LONG_AGO)))
        .filter(backups__kind=kind, backups__ended_at__gte=F("since"))
        .order_by()
        .values_list(
            "id",
            "backups__id",
            "backups__label",
            "backups__started_at",
            "backups__ended_at",
            "backups__raw_bytes",
            "backups__lock_time",
            "backups__made_by",
        )
    )
    # Any: the columns have as many types as PastBackup has fields.
    row: Any
    for row in rows.iterator(chunk_size=5000):
        yield row[0], PastBackup(*row[1:])


def _count_copies(backups: Sequence[int]) -> Counter[int]:
    rows = BackupCopy.objects.filter(backup__in=backups, status=CopyStatus.STORED)
    counted = rows.order_by().values_list("backup").annotate(copies=Count("id"))
    return Counter(dict(counted))


def _count_wanted(jobs: Sequence[int]) -> dict[int, int]:
    """Map jobs to how many repositories they were to write to; those of others have none."""
    rows = Job.repositories.through._default_manager.filter(job_id__in=jobs)
    return dict(rows.order_by().values_list("job_id").annotate(wanted=Count("id")))
