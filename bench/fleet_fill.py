"""A fleet with its history: instances, schedules, and a year of occurrences, made up by SQL."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from backups.models import BackupSchedule, Instance, Job, Occurrence, Repository

# Runs that expected durations are learnt from.
JOBS_EACH = 5
FAR = timedelta(days=400)

# What a day's occurrence of every schedule looks like; both databases understand it.
ONE_DAY = """
INSERT INTO backups_occurrence (
    schedule_id, instance_id, due_at, starts_at, late_after, missed_after, status, status_since,
    reason, detail, attempts, ended_at
)
SELECT tie.backupschedule_id, tie.instance_id, %s, %s, %s, %s, 'succeeded', %s, '', '', 1, %s
FROM backups_backupschedule_instances AS tie
"""


def fill(instances: int, schedules: int, occurrences: int, now: datetime) -> None:
    """Make the rows: every instance has its share of schedules, every schedule one instance."""
    Repository.objects.create(name="main", path="/nowhere/bench")
    rows = Instance.objects.bulk_create(
        [Instance(name=f"shard-{number}", engine="clone") for number in range(instances)],
        batch_size=1000,
    )
    plans = BackupSchedule.objects.bulk_create(
        [_schedule(number, now) for number in range(schedules)], batch_size=1000
    )
    through = BackupSchedule.instances.through
    through.objects.bulk_create(
        [
            through(backupschedule_id=plan.pk, instance_id=rows[number % instances].pk)
            for number, plan in enumerate(plans)
        ],
        batch_size=1000,
    )
    days = max(JOBS_EACH, occurrences // schedules)
    with connection.cursor() as cursor:
        for day in range(days, 0, -1):
            due = now - timedelta(days=day)
            end = due + timedelta(minutes=20)
            cursor.execute(ONE_DAY, [due, due, due, end, end, end])
    _add_jobs(now)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _schedule(number: int, now: datetime) -> BackupSchedule:
    return BackupSchedule(
        name=f"nightly-{number}", cron="0 2 * * *", time_zone="Europe/Berlin", next_due_at=now + FAR
    )


def _add_jobs(now: datetime) -> None:
    """Give the newest occurrences the jobs that ran for them."""
    newest = Occurrence.objects.filter(due_at__gte=now - timedelta(days=JOBS_EACH))
    ties = list(newest.order_by("id").values_list("pk", "instance_id", "due_at"))
    jobs = Job.objects.bulk_create(
        [
            Job(
                operation="backup", instance_id=instance, occurrence_id=pk, kind="full",
                status="succeeded", started_at=due, ended_at=due + timedelta(minutes=20),
            )
            for pk, instance, due in ties
        ],
        batch_size=2000,
    )  # fmt: skip
    first = jobs[0].pk - ties[0][0]
    with connection.cursor() as cursor:
        # Both were numbered in the same order, without gaps.
        assert all(job.pk - tie[0] == first for job, tie in zip(jobs, ties, strict=True))
        cursor.execute(
            "UPDATE backups_occurrence SET job_id = id + %s WHERE due_at >= %s",
            [first, now - timedelta(days=JOBS_EACH)],
        )
