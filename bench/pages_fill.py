"""A large fleet in SQLite, made by SQL: instances in groups, two jobs a night for years or less."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from backups.models import (
    BackupSchedule,
    Instance,
    InstanceGroup,
    Job,
    JobEvent,
    JobLogLine,
    JobSample,
    JobStage,
    Repository,
)
from backups.states import JobStatus

GIB = 2**30
GROUP_SIZE = 100
# Copies of older nights were purged.
NIGHTS_KEPT = 30
RUNNING = 40
STAGES, LINES = 12, 5_000

# In the order in which they would have come: night by night, then instance by instance. One run
# in fifty failed, and of the last night other ones than before.
JOBS = """
WITH RECURSIVE nights(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM nights WHERE n + 1 < %(nights)s)
INSERT INTO backups_job (operation, instance_id, origin, kind, engine, parameters, requested_at,
  status, status_since, cancel_requested, error, hint, failed_stage, failure_key,
  started_at, ended_at, worker, waits_for, fencing_token, label, leftovers, bytes_done, bytes_total,
  stored_bytes, files_done, current_file, lock_time, backup_id, copy_id)
SELECT %(operation)s, i.id, 'managed', 'full', 'mariadb_backup', '{}', at, state, ended, 0,
  CASE state WHEN 'failed' THEN 'copy failed: no space left' ELSE '' END, '',
  CASE state WHEN 'failed' THEN 'copy' ELSE '' END, CASE state WHEN 'failed' THEN 'k1' ELSE '' END,
  at, ended, 'bench:1', '', 2, '', 0, bytes, bytes, bytes / 3, 812, '', 55000, NULL, NULL
FROM (SELECT i.id, n,
  strftime('%%Y-%%m-%%d %%H:%%M:%%S', %(first)s, n || ' days', (i.id %% 7200) || ' seconds') AS at,
  strftime('%%Y-%%m-%%d %%H:%%M:%%S', %(first)s, n || ' days',
    (i.id %% 7200 + 900 + i.id %% 600) || ' seconds') AS ended,
  CASE WHEN (i.id * 7 + n * 13) %% 50 = 0 THEN 'failed' ELSE 'succeeded' END AS state,
  3221225472 + (i.id %% 900) * 16777216 + n * 1048576 AS bytes
  FROM nights CROSS JOIN backups_instance AS i) AS i ORDER BY n, i.id
"""
BACKUPS = """
INSERT INTO backups_backup (uuid, label, instance_id, made_by_id, origin, kind, engine, to_lsn,
  binlog_file, binlog_position, gtid_executed, server_version, tool_version, facts, raw_bytes,
  stored_bytes, file_count, started_at, ended_at, lock_time, pinned, pinned_reason)
SELECT lower(hex(randomblob(16))), 'shard-' || instance_id || '@' || id || '-F', instance_id, id,
  'managed', 'full', engine, 4711000 + id, 'binlog.000042', id, '', '10.11.14-MariaDB', '', '{}',
  bytes_done, stored_bytes, 812, started_at, ended_at, lock_time, 0, ''
FROM backups_job WHERE operation = 'backup' AND status = 'succeeded' ORDER BY id
"""
COPIES = """
INSERT INTO backups_backupcopy (backup_id, repository_id, path, status, status_since, stored_bytes,
  pack_count, key_id, manifest_digest, fault, fault_detail, key_fault, expire_reason)
SELECT id, 1 + id %% 3, label, CASE WHEN ended_at >= %s THEN 'stored' ELSE 'purged' END, ended_at,
  stored_bytes, 4, 'k1', '', '', '', '', '' FROM backups_backup ORDER BY id
"""
EVIDENCE = """
INSERT INTO backups_evidence (copy_id, operation, passed, created_at, manifest_digest, report)
SELECT id, 'verify', id % 400 > 0, status_since, '', '{}' FROM backups_backupcopy
WHERE status = 'stored' ORDER BY id
"""
OCCURRENCES = """
INSERT INTO backups_occurrence (schedule_id, instance_id, due_at, starts_at, late_after,
  missed_after, status, status_since, reason, detail, attempts, job_id, ended_at)
SELECT 1 + (instance_id - 1) / %s, instance_id,
  strftime('%%Y-%%m-%%d %%H:%%M:%%S', started_at, '-' || (instance_id %% 7200) || ' seconds'),
  started_at, started_at, started_at,
  CASE WHEN instance_id %% 70 = 0 AND ended_at >= %s THEN 'missed' ELSE 'succeeded' END, ended_at,
  '', '', 1, id, ended_at FROM backups_job WHERE operation = 'backup' ORDER BY id
"""


def fill(instances: int, jobs: int, now: datetime) -> Job:
    """Make the rows; return a job with stages, samples and a long log."""
    for name in ("main", "offsite", "archive"):
        Repository.objects.create(name=name, path=f"/srv/{name}")
    _create_instances(instances)
    nights = max(2, jobs // instances // 2)
    # The last night is just over: there is something to tell of the last day.
    first = now - timedelta(hours=8) - timedelta(days=nights - 1)
    kept = now - timedelta(days=NIGHTS_KEPT)
    with connection.cursor() as cursor:
        for operation, hours in (("backup", 0), ("verify", 3)):
            at = f"{first + timedelta(hours=hours):%Y-%m-%d %H:%M:%S}"
            cursor.execute(
                JOBS % {
                    "nights": nights, "operation": f"'{operation}'", "first": f"'{at}'",
                }
            )  # fmt: skip
        cursor.execute(BACKUPS)
        cursor.execute(COPIES, [kept])
        cursor.execute(EVIDENCE)
        cursor.execute(OCCURRENCES, [GROUP_SIZE, now - timedelta(days=1)])
    _run_some(now)
    return _crowned_job(now)


def _create_instances(count: int) -> None:
    rows = Instance.objects.bulk_create(
        [
            Instance(name=f"shard-{n:05}", flavour="mariadb", version="10.11.14-MariaDB")
            for n in range(count)
        ],
        batch_size=500,
    )
    for number, start in enumerate(range(0, count, GROUP_SIZE)):
        group = InstanceGroup.objects.create(name=f"group-{number}")
        group.instances.set(rows[start : start + GROUP_SIZE])
        schedule = BackupSchedule.objects.create(name=f"nightly-{number}", cron="0 1 * * *")
        # The last group has none: nobody protects its instances.
        if start + GROUP_SIZE < count:
            schedule.groups.add(group)


def _run_some(now: datetime) -> None:
    Job.objects.bulk_create(
        Job(
            operation="backup", instance=instance, kind="full", engine="mariadb_backup",
            status=JobStatus.RUNNING, requested_at=now, started_at=now - timedelta(minutes=4),
            bytes_done=GIB, bytes_total=4 * GIB, rate_bytes_per_s=2**26, fencing_token=1,
        )
        for instance in Instance.objects.order_by("-id")[:RUNNING]
    )  # fmt: skip


def _crowned_job(now: datetime) -> Job:
    job = Job.objects.filter(operation="backup", status=JobStatus.FAILED).latest("id")
    start = job.started_at or now
    steps = [start + timedelta(seconds=5 * n) for n in range(120)]
    JobStage.objects.bulk_create(
        JobStage(
            job=job, position=n, name=f"stage {n}", status="succeeded", bytes_done=GIB,
            started_at=steps[n], ended_at=steps[n + 1],
        )
        for n in range(STAGES)
    )  # fmt: skip
    JobSample.objects.bulk_create(
        JobSample(job=job, sampled_at=at, stage="copy", bytes_done=GIB, rate_bytes_per_s=2**26)
        for at in steps
    )
    JobLogLine.objects.bulk_create(
        JobLogLine(job=job, logged_at=start, source="mariadb-backup", text=f"copying file {n}")
        for n in range(LINES)
    )
    JobEvent.objects.create(job=job, new_status=JobStatus.FAILED)
    return job
