"""What is known of instances and of their newest backups?

A fixed number of queries for any number of instances.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q, Subquery

from alerts.facts.belonging import Belonging
from alerts.facts.instance import BackupFacts, InstanceFacts
from alerts.facts.load_history import COMPARED, History
from alerts.facts.load_recoverable import Archived
from backups.models import Backup, BackupCopy, Instance, Job, WantedCopy
from backups.pacing.facts import PaceFacts
from backups.states import CHOSEN_KINDS, CopyStatus, JobStatus, Operation


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """The columns of an instance that rules check."""

    id: int
    name: str
    created_at: datetime
    flavour: str
    engine: str
    version: str
    unreachable_since: datetime | None
    unreachable_reason: str
    other_server: str
    other_server_since: datetime | None
    restore_tested_at: datetime | None


def load_instances(ids: Sequence[int]) -> dict[int, InstanceRow]:
    """Read the enabled instances among these."""
    # Of a drill that failed later on, the backup itself has passed.
    tests = Job.objects.filter(
        Q(status=JobStatus.SUCCEEDED) | Q(evidence__passed=True),
        instance=OuterRef("pk"),
        operation=Operation.RESTORE_TEST,
        ended_at__isnull=False,
    )
    newest_test = Subquery(tests.order_by("-id").values("ended_at")[:1])
    rows = Instance.objects.filter(pk__in=ids, enabled=True).annotate(tested_at=newest_test)
    columns = rows.order_by("id").values_list(
        "id", "name", "created_at", "flavour", "engine", "version",
        "unreachable_since", "unreachable_reason", "other_server", "other_server_since",
        "tested_at",
    )  # fmt: skip
    return {row[0]: InstanceRow(*row) for row in columns}


def build_instance_facts(
    now: datetime,
    row: InstanceRow,
    belonging: Belonging,
    history: History,
    archived: Archived | None,
    *,
    rpo: timedelta | None = None,
) -> InstanceFacts:
    """``archived``: None where its binlogs are not."""
    # Chosen tables bring no instance back, however often they are backed up.
    whole = [each for each in belonging.schedules if not each.kinds <= set(CHOSEN_KINDS)]
    return InstanceFacts(
        now=now,
        subject=belonging.subject(f"instance:{row.id}", row.id),
        created_at=row.created_at,
        flavour=row.flavour,
        engine=row.engine,
        version=row.version,
        unreachable_since=row.unreachable_since,
        unreachable_reason=row.unreachable_reason,
        other_server=row.other_server,
        other_server_since=row.other_server_since,
        scheduled_kinds=frozenset(kind for schedule in whole for kind in schedule.kinds),
        last_success={
            kind: history[row.id, kind].newest.ended_at
            for kind in COMPARED
            if (row.id, kind.value) in history
        },
        restore_tested_at=row.restore_tested_at,
        archived=archived is not None,
        recoverable_to=archived.recoverable_to if archived is not None else None,
        longest_pause=min((schedule.longest_pause for schedule in whole), default=None),
        rpo=rpo,
    )


def build_backup_facts(
    now: datetime, belongings: Mapping[int, Belonging], history: History
) -> Iterator[BackupFacts]:
    """Yield the newest backup of each instance and kind, with the norm of the earlier ones."""
    newest = [past.newest for past in history.values()]
    stored = _count_copies([backup.id for backup in newest])
    wanted = _count_wanted([backup.job_id for backup in newest if backup.job_id is not None])
    paces = _load_paces([backup.id for backup in newest])
    for (pk, kind), past in history.items():
        backup = past.newest
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
            usual_bytes=past.usual_bytes(),
            usual_seconds=past.usual_seconds(),
            wanted_copies=wanted.get(backup.job_id) if backup.job_id is not None else None,
            stored_copies=stored[backup.id],
            pace=paces.get(backup.id),
        )


def _load_paces(backups: Sequence[int]) -> dict[int, PaceFacts | None]:
    """Read what these backups cost, where anything is known of it."""
    rows = Backup.objects.filter(pk__in=backups).exclude(pace={}).order_by()
    return {pk: PaceFacts.read(pace) for pk, pace in rows.values_list("pk", "pace")}


def _count_copies(backups: Sequence[int]) -> Counter[int]:
    rows = BackupCopy.objects.filter(backup__in=backups, status=CopyStatus.STORED)
    counted = rows.order_by().values_list("backup").annotate(copies=Count("id"))
    return Counter(dict(counted))


def _count_wanted(jobs: Sequence[int]) -> dict[int, int]:
    """Map jobs to the number of repositories they were to write to."""
    # Those that are known to be missing have a rule of their own.
    missing = WantedCopy.objects.filter(
        backup__made_by=OuterRef("job"), repository=OuterRef("repository")
    )
    rows = Job.repositories.through._default_manager.filter(~Exists(missing), job_id__in=jobs)
    return dict(rows.order_by().values_list("job_id").annotate(wanted=Count("id")))
