"""Schedules for tests, a worker that ends jobs on command, and the tick at a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from backups.health.heartbeats import begin_tick, end_tick, record_worker_heartbeat
from backups.models import BackupSchedule, Instance, Job, Occurrence, Repository
from backups.schedules.save import save_schedule
from backups.schedules.tick import TICK, plan_occurrences
from backups.states import JobStatus
from backups.transitions.jobs import JobOutcome, claim, end

# A Monday; the schedules of the tests run at 02:00.
T0 = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


def make_schedule(
    *instances: Instance, saved_at: datetime = T0 - HOUR, **values: Any
) -> BackupSchedule:
    """Any: a schedule's columns. By default nightly at 02:00, without retries."""
    rhythm = {} if "every_hours" in values else {"cron": "0 2 * * *"}
    plain = {"name": "nightly", "time_zone": "UTC", "retries": 0, **rhythm}
    schedule = BackupSchedule(**{**plain, **values})
    save_schedule(schedule, saved_at)
    schedule.instances.set(instances)
    return schedule


def make_instances(count: int, prefix: str = "shard") -> list[Instance]:
    return Instance.objects.bulk_create(
        Instance(name=f"{prefix}-{number}", engine="fake") for number in range(count)
    )


def make_place(name: str = "main") -> Repository:
    """A repository nobody writes to: planning only looks at its row."""
    return Repository.objects.create(name=name, path=f"/nowhere/{name}")


def tick(at: datetime) -> None:
    """What beat starts every ten seconds, with a clock of the test's own."""
    begin_tick(TICK, at)
    plan_occurrences(at)
    end_tick(TICK, at)


def with_worker(at: datetime) -> None:
    record_worker_heartbeat("worker@here:1", ["copy", "transfer"], at, at)


def only() -> Occurrence:
    return Occurrence.objects.select_related("job__instance", "schedule", "instance").get()


def statuses() -> list[tuple[str, str]]:
    """The outcome of all occurrences, the oldest first, with the reason."""
    rows = Occurrence.objects.order_by("due_at", "id")
    return list(rows.values_list("status", "reason"))


def start(job: Job | None, at: datetime) -> Job:
    """Claim a job as a worker would."""
    assert job is not None
    assert claim(job, worker="here:1", exclusive_key=f"instance:{job.instance_id}", now=at)
    return job


def finish(
    job: Job | None,
    at: datetime,
    to: JobStatus = JobStatus.SUCCEEDED,
    *,
    error: str = "",
    failed_stage: str = "",
) -> Job:
    """End a running job as its worker would."""
    assert job is not None
    job.refresh_from_db()
    assert end(job, to, now=at, outcome=JobOutcome(error=error, failed_stage=failed_stage))
    return job
