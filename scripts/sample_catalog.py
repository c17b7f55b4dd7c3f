"""What did a year of made-up nights leave behind? Jobs, backups, copies, proof, occurrences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.core.management.color import no_style
from django.db import connection
from django.db.models import Model

from alerts.models import Alert, EvaluationCursor
from backups.engines import engine_named
from backups.models import (
    Backup,
    BackupAncestor,
    BackupCopy,
    BackupSchedule,
    Evidence,
    Instance,
    Job,
    JobEvent,
    JobLogLine,
    JobStage,
    Occurrence,
    Repository,
)
from backups.states import (
    BackupKind,
    CopyStatus,
    JobStatus,
    OccurrenceStatus,
    Operation,
    StageStatus,
)
from scripts.sample_alerts import past_alert
from scripts.sample_chains import LETTERS, SampleChain, stages_before
from scripts.sample_evidence import link_evidence
from scripts.sample_history import BAD, GRACE, WINDOW, Night, how_it_ended
from scripts.sample_instances import SampleInstance

# How long copies are kept, and for how long back the details of a job were.
KEPT = timedelta(days=35)
DETAILED = timedelta(days=14)
KEY = "5a3be1c0ffee0042"
BATCH = 2000
VERIFY_EVERY, TEST_EVERY = 7, 28
STAGES_AFTER = ("manifest", "read-back", "register")


@dataclass(slots=True)
class Catalog:
    """Rows in the making. Jobs get their numbers here, so that all can be written in bulk."""

    repositories: Sequence[Repository]
    now: datetime
    jobs: list[Job] = field(default_factory=list)
    backups: list[Backup] = field(default_factory=list)
    ancestors: list[BackupAncestor] = field(default_factory=list)
    copies: list[BackupCopy] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    occurrences: list[Occurrence] = field(default_factory=list)
    stages: list[JobStage] = field(default_factory=list)
    events: list[JobEvent] = field(default_factory=list)
    lines: list[JobLogLine] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)

    def add(
        self,
        sample: SampleInstance,
        instance: Instance,
        nights: Sequence[Night],
        schedule: BackupSchedule | None,
    ) -> None:
        """Take in one instance with all its nights, the oldest first."""
        chain = SampleChain(linked=schedule is not None and bool(schedule.full_cron))
        for number, whole in enumerate(nights):
            night = chain.as_taken(whole)
            occurrence = self._occurrence(instance, night, schedule) if schedule else None
            if occurrence is not None:
                occurrence.kind = chain.planned(night)
            if night.retried:
                at = night.started_at - timedelta(minutes=12)
                self._failed(instance, night, occurrence, at, chain)
            if night.status in BAD:
                self._failed(instance, night, occurrence, night.started_at, chain)
            elif night.status == "succeeded":
                job = self._job(instance, night, occurrence, JobStatus.SUCCEEDED, chain)
                self._backup(sample, instance, night, job, number, chain)
            if night.status != "succeeded":
                chain.not_taken(night)

    def save(self) -> dict[str, int]:
        """Write everything. Jobs, backups and copies name one another: they are numbered first."""
        # In the order of time, as their numbers would be in earnest.
        self.jobs.sort(key=lambda job: job.requested_at)
        numbered: list[tuple[type[Model], Sequence[Model]]] = [
            (Occurrence, self.occurrences),
            (Job, self.jobs),
            (Backup, self.backups),
            (BackupCopy, self.copies),
            (JobStage, self.stages),
        ]
        for model, rows in numbered:
            _number(model, rows)
        for job in self.jobs:
            if job.occurrence is not None:
                job.occurrence.job = job
        for model, rows in (*numbered, *self._rest()):
            _write(model, rows)
        link_evidence(self.evidence)
        _go_on_after([model for model, _ in numbered])
        EvaluationCursor.objects.all().delete()
        return {"jobs": len(self.jobs), "backups": len(self.backups), "alerts": len(self.alerts)}

    def _rest(self) -> list[tuple[type[Model], Sequence[Model]]]:
        return [
            (BackupAncestor, self.ancestors),
            (Evidence, self.evidence), (JobEvent, self.events),
            (JobLogLine, self.lines), (Alert, self.alerts),
        ]  # fmt: skip

    def _occurrence(self, instance: Instance, night: Night, plan: BackupSchedule) -> Occurrence:
        row = Occurrence(
            schedule=plan,
            instance=instance,
            due_at=night.due_at.replace(hour=1, minute=0, second=0, microsecond=0),
            starts_at=night.due_at,
            late_after=night.due_at + GRACE,
            missed_after=night.due_at + WINDOW,
            status=OccurrenceStatus(night.status),
            status_since=night.ended_at,
            reason=night.reason,
            detail=night.detail,
            attempts=0 if night.status == "missed" else 1 + night.retried,
            late_at=night.due_at + GRACE if night.late or night.status == "missed" else None,
            ended_at=night.due_at + WINDOW if night.status == "missed" else night.ended_at,
        )
        self.occurrences.append(row)
        return row

    def _job(
        self,
        instance: Instance,
        night: Night,
        occurrence: Occurrence | None,
        status: JobStatus,
        chain: SampleChain,
    ) -> Job:
        seconds = max(night.took.total_seconds(), 1)
        job = Job(
            operation=Operation.BACKUP,
            instance=instance,
            occurrence=occurrence,
            engine=instance.engine,
            requested_at=night.started_at - timedelta(seconds=2),
            status=status,
            status_since=night.ended_at,
            started_at=night.started_at,
            ended_at=night.ended_at,
            worker="backup-worker-1:2207",
            bytes_done=night.raw_bytes,
            bytes_total=night.raw_bytes or instance.data_bytes,
            stored_bytes=night.stored_bytes,
            files_done=max(40, night.raw_bytes // (180 * 1024**2)),
            rate_bytes_per_s=round(night.raw_bytes / seconds) or None,
            lock_time=night.lock_time,
        )
        chain.describe(job, night)
        self.jobs.append(job)
        if self.now - night.started_at < DETAILED:
            self._details(job, night)
        return job

    def _failed(
        self,
        instance: Instance,
        night: Night,
        occurrence: Occurrence | None,
        at: datetime,
        chain: SampleChain,
    ) -> None:
        stage, error, hint = night.fault
        took = night.took if night.status in BAD else timedelta(seconds=4)
        done = night.raw_bytes if night.status in BAD else 0
        how = how_it_ended(stage)
        attempt = Night(night.due_at, how, at, took, done, 0, None, fault=night.fault)
        job = self._job(instance, attempt, occurrence, JobStatus(how), chain)
        job.error, job.hint, job.failed_stage = error, hint, stage
        if not night.retried and self.now - at > DETAILED:
            self.alerts.append(past_alert(instance, attempt))

    def _backup(
        self,
        sample: SampleInstance,
        instance: Instance,
        night: Night,
        job: Job,
        number: int,
        chain: SampleChain,
    ) -> None:
        backup = _made_by(job, night, number)
        self.backups.append(backup)
        self._chain(backup, chain)
        gone = self._is_gone(backup, number, chain)
        often = backup.kind == BackupKind.FULL if chain.linked else number % 7 == 0
        for repository in self.repositories if often else self.repositories[:1]:
            copy = self._copy(backup, repository, night, gone=gone)
            self.copies.append(copy)
            self._proof(sample, copy, night, number)

    def _copy(
        self, backup: Backup, repository: Repository, night: Night, *, gone: bool
    ) -> BackupCopy:
        return BackupCopy(
            backup=backup,
            repository=repository,
            path=f"instances/{backup.instance.uuid}/backups/{backup.label}",
            status=CopyStatus.PURGED if gone else CopyStatus.STORED,
            status_since=night.ended_at + KEPT if gone else night.ended_at,
            stored_bytes=night.stored_bytes,
            pack_count=max(1, night.stored_bytes // (256 * 1024**2)),
            key_id=KEY,
            checked_at=self.now,
            expire_reason="older than 35 days" if gone else "",
        )

    def _chain(self, backup: Backup, chain: SampleChain) -> None:
        needed = chain.add(backup)
        backup.base = needed[-1] if needed else None
        self.ancestors += [
            BackupAncestor(backup=backup, ancestor=ancestor, position=position)
            for position, ancestor in enumerate(needed)
        ]

    def _is_gone(self, backup: Backup, number: int, chain: SampleChain) -> bool:
        """Every seventh is kept for a year, as many people do; chains go as a whole."""
        if not chain.linked:
            return self.now - backup.ended_at > KEPT and number % 7 != 0
        old = self.now - chain.backups[0].ended_at > KEPT
        return old and (backup.kind != "full" or chain.number % 4 != 0)

    def _proof(self, sample: SampleInstance, copy: BackupCopy, night: Night, number: int) -> None:
        if copy.repository != self.repositories[0] or sample.trouble == "untested":
            return
        recent = self.now - night.ended_at < timedelta(days=7)
        newest = self.now - night.ended_at < timedelta(days=1)
        if number % VERIFY_EVERY == 0:
            bad = recent and sample.trouble == "damaged"
            report: dict[str, object] = {"packs": copy.pack_count, "damaged": int(bad)}
            self._evidence(copy, night, Operation.VERIFY, not bad, 0.5, report)
        if number % TEST_EVERY == 0 or (newest and sample.trouble == "test failed"):
            good = not (newest and sample.trouble == "test failed")
            report = {
                "tables": 120 + copy.backup.instance_id % 400,
                "failed": [] if good else ["log"],
            }
            self._evidence(copy, night, Operation.RESTORE_TEST, good, 1.3, report)

    def _evidence(
        self,
        copy: BackupCopy,
        night: Night,
        operation: Operation,
        passed: bool,
        share: float,
        report: dict[str, object],
    ) -> None:
        """Add what a proof found, and the job that found it."""
        began = min(night.ended_at + timedelta(hours=6), self.now - timedelta(hours=1))
        took = night.took * share
        job = _proving_job(copy, operation, passed, began, took)
        job.bytes_done = job.bytes_total = night.raw_bytes
        self.jobs.append(job)
        tested = operation is Operation.RESTORE_TEST and passed
        self.evidence.append(
            Evidence(
                copy=copy,
                job=job,
                operation=operation,
                passed=passed,
                created_at=began + took,
                recovery_time=took if tested else None,
                report=report,
            )
        )

    def _details(self, job: Job, night: Night) -> None:
        """Add stages, events and a log, as far back as anybody looks."""
        failed = night.fault[0] if job.status in BAD else ""
        at, position, copying = night.started_at, 0, None
        kind = engine_named(job.engine)
        engine = [name for name in kind.stages if name not in kind.options().skipped_stages]
        for name in (*stages_before(job), "copy", *engine, *STAGES_AFTER):
            inner = name in engine
            if copying is None and inner:
                continue
            share = 0.94 if name == "copy" else 0.01
            if inner:
                # Files take the time; what follows them is short.
                share = 0.82 if name == engine[0] else 0.12 / (len(engine) - 1)
            ended = min(at + night.took * share, night.ended_at)
            stage = JobStage(
                job=job,
                parent=copying if inner else None,
                position=position,
                name=name,
                status=StageStatus(job.status if name == failed else "succeeded"),
                started_at=at,
                ended_at=ended,
                bytes_done=night.raw_bytes if name == "copy" else 0,
                lock_time=night.lock_time if name == engine[-1] else None,
            )
            self.stages.append(stage)
            position += 1
            if name == failed:
                break
            copying = stage if name == "copy" else copying
            at = at if name == "copy" else ended
        self._add_history(job, night)

    def _add_history(self, job: Job, night: Night) -> None:
        self.events += [
            JobEvent(
                job=job, created_at=job.requested_at, new_status="pending", reason="requested"
            ),
            JobEvent(
                job=job, created_at=night.ended_at, old_status="running", new_status=job.status
            ),
        ]
        level = "error" if job.status in BAD else "info"
        text = night.fault[1] or "completed OK!"
        self.lines.append(
            JobLogLine(job=job, logged_at=night.ended_at, level=level, source="engine", text=text)
        )


def _proving_job(
    copy: BackupCopy, operation: Operation, passed: bool, began: datetime, took: timedelta
) -> Job:
    return Job(
        operation=operation,
        instance=copy.backup.instance,
        backup=copy.backup,
        copy=copy,
        kind="full",
        engine=copy.backup.engine,
        requested_at=began,
        status=JobStatus.SUCCEEDED if passed else JobStatus.FAILED,
        error="" if passed else f"{copy.pack_count} packs read, 1 of them is damaged",
        failed_stage="" if passed else "read packs",
        status_since=began + took,
        started_at=began,
        ended_at=began + took,
    )


def _made_by(job: Job, night: Night, number: int) -> Backup:
    """Return the backup of a job, which gets its label as well."""
    instance, letter = job.instance, LETTERS[BackupKind(job.kind)]
    job.label = f"{instance.name}@{night.ended_at:%Y%m%dT%H%M%SZ}-{letter}"
    return Backup(
        label=job.label,
        instance=instance,
        made_by=job,
        kind=job.kind,
        engine=instance.engine,
        to_lsn=10_000_000 + number * 4_711_000,
        binlog_file=f"binlog.{number + 120:06}",
        binlog_position=154 + number * 977,
        server_version=instance.version,
        raw_bytes=night.raw_bytes,
        stored_bytes=night.stored_bytes,
        file_count=job.files_done,
        started_at=night.started_at,
        ended_at=night.ended_at,
        lock_time=night.lock_time,
    )


def _write(model: type[Model], rows: Sequence[Model]) -> None:
    model._default_manager.bulk_create(rows, batch_size=BATCH)


def _number(model: type[Model], rows: Sequence[Model]) -> None:
    last = model._default_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
    for number, row in enumerate(rows, start=last + 1):
        row.pk = number


def _go_on_after(models: Sequence[type[Model]]) -> None:
    """Have the database number what comes later after what was numbered here."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(models)):
            cursor.execute(statement)
