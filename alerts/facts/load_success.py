"""Which backups have succeeded since the last evaluation?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from alerts.facts.belonging import Belonging
from alerts.facts.run import SuccessFacts
from backups.models import Job
from backups.states import JobStatus, Operation


def build_successes(
    now: datetime, belongings: Mapping[int, Belonging], jobs: Collection[int]
) -> Iterator[SuccessFacts]:
    """Yield the successful backups among ``jobs``."""
    rows = Job.objects.filter(
        pk__in=list(jobs),
        operation=Operation.BACKUP,
        status=JobStatus.SUCCEEDED,
        instance__in=list(belongings),
    )
    columns = rows.order_by("id").values(
        "id", "instance_id", "kind", "started_at", "ended_at", "lock_time",
        "occurrence__schedule_id", "product__raw_bytes", "product__lock_time", "problems",
    )  # fmt: skip
    for row in columns:
        pk, started_at, ended_at = row["instance_id"], row["started_at"], row["ended_at"]
        lock_time = row["product__lock_time"]
        yield SuccessFacts(
            now=now,
            subject=belongings[pk].subject(
                f"job:{row['id']}", pk, schedule_id=row["occurrence__schedule_id"], job_id=row["id"]
            ),
            kind=row["kind"],
            ended_at=ended_at or now,
            run_time=ended_at - started_at if started_at and ended_at else None,
            raw_bytes=row["product__raw_bytes"],
            lock_time=lock_time if lock_time is not None else row["lock_time"],
            problems=tuple(row["problems"].splitlines()),
        )
