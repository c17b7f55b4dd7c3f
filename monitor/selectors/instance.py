"""What is known of one instance: its backups and its jobs?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.utils.timezone import localdate

from backups.jobs.waiting import Waiting, explain_waiting
from backups.models import Backup, BackupCopy, Instance, Job
from backups.models.job import WITHOUT_RESULT
from backups.protection import BAD_ENDS
from backups.retention.verdicts import JudgedCopy
from backups.states import (
    ACTIVE_JOB_STATUSES,
    CHOSEN_KINDS,
    TERMINAL_JOB_STATUSES,
    CopyStatus,
    Operation,
)
from monitor.selectors.chains import ChainsView, draw_chains, load_members
from monitor.selectors.missing_copies import (
    MissingCopies,
    load_missing_copies,
    missing_by_backup,
    missing_by_repository,
)
from monitor.selectors.progress import Progress, progress_of
from monitor.selectors.proof import UNPROVEN, ProofSummary, load_proofs
from monitor.selectors.recoverable import Recoverability, load_recoverability
from monitor.selectors.retention import judge_by_backup, longest_kept

PAGE_SIZE = 10
# How many backups to search for one that can be restored: two chains of the usual length.
RECENT = 16


@dataclass(frozen=True, slots=True)
class BackupRow:
    """One backup in a table."""

    backup: Backup
    proof: ProofSummary
    repositories: list[str]
    # What retention decides; None without a stored copy.
    judged: JudgedCopy | None = None
    # The repositories that were to have a copy, and have none.
    missing: Sequence[str] = ()

    @property
    def marked(self) -> bool:
        """Whether all its copies are marked for deletion."""
        return self.judged is not None and self.judged.mark is not None

    @property
    def proven_together(self) -> bool:
        """Whether it passed verify and a restore test on the same day."""
        verified, tested = self.proof.verified, self.proof.restore_tested
        if not (verified and tested and verified.passed and tested.passed):
            return False
        return localdate(verified.created_at) == localdate(tested.created_at)


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job in a table."""

    job: Job
    run_time: timedelta | None
    progress: Progress | None
    waiting: Waiting | None


@dataclass(frozen=True, slots=True)
class InstanceHistory:
    """The live part of the page of an instance."""

    # Of whole ones, as the next.
    newest: BackupRow | None
    # The newest one without a failed check; None if all recent ones failed.
    recoverable: BackupRow | None
    # The last backup job with a result, if it failed, was refused or was lost.
    last_failed: Job | None
    backups: list[BackupRow]
    backup_page: Page[Backup]
    jobs: list[JobRow]
    job_page: Page[Job]
    active: list[JobRow]
    chains: ChainsView
    # None without a binlog archive.
    binlogs: Recoverability | None
    missing_copies: Sequence[MissingCopies] = ()


def load_history(
    instance: Instance,
    now: datetime,
    *,
    backup_page: str | None,
    job_page: str | None,
    chain_page: str | None,
) -> InstanceHistory:
    """Load one page of the backups, one of the chains and one of the jobs, newest first."""
    backups = _stored_backups(instance)
    backups_shown = Paginator(backups, PAGE_SIZE).get_page(backup_page)
    # One of chosen tables brings no instance back, however new it is.
    newest = list(backups.exclude(kind__in=CHOSEN_KINDS)[:RECENT])
    members = load_members(instance, chain_page)
    proofs = load_proofs({*members.ids, *(backup.pk for backup in (*backups_shown, *newest))})
    judged = judge_by_backup([instance.pk], now) if backups_shown else {}
    wanted = load_missing_copies(instance)
    missing = missing_by_backup(wanted)
    recent = [_backup_row(backup, proofs, judged, missing) for backup in newest]
    jobs = Job.objects.filter(instance=instance).select_related("requested_by", "product")
    jobs_shown = Paginator(jobs, PAGE_SIZE).get_page(job_page)
    active = list(jobs.filter(status__in=ACTIVE_JOB_STATUSES))
    waiting = explain_waiting([*jobs_shown, *active])
    return InstanceHistory(
        newest=recent[0] if recent else None,
        recoverable=next((row for row in recent if row.proof.sound and not row.marked), None),
        last_failed=_last_failed(jobs),
        backups=[_backup_row(backup, proofs, judged, missing) for backup in backups_shown],
        backup_page=backups_shown,
        jobs=[_job_row(job, waiting, now) for job in jobs_shown],
        job_page=jobs_shown,
        active=[_job_row(job, waiting, now) for job in active],
        chains=draw_chains(members, proofs),
        binlogs=load_recoverability([instance.pk]).get(instance.pk),
        missing_copies=missing_by_repository(wanted),
    )


def _last_failed(jobs: QuerySet[Job]) -> Job | None:
    ended = jobs.filter(operation=Operation.BACKUP, status__in=TERMINAL_JOB_STATUSES)
    last = ended.exclude(WITHOUT_RESULT).exclude(kind__in=CHOSEN_KINDS).first()
    return last if last and last.status in BAD_ENDS else None


def _stored_backups(instance: Instance) -> QuerySet[Backup]:
    """Return the backups with at least one stored copy."""
    stored = BackupCopy.objects.filter(status=CopyStatus.STORED, backup=OuterRef("pk"))
    copies = BackupCopy.objects.select_related("repository")
    return (
        Backup.objects.filter(instance=instance)
        .filter(Exists(stored))
        .prefetch_related(Prefetch("copies", copies))
        .order_by("-ended_at", "-id")
    )


def _backup_row(
    backup: Backup,
    proofs: Mapping[int, ProofSummary],
    judged: Mapping[int, Sequence[JudgedCopy]],
    missing: Mapping[int, Sequence[str]],
) -> BackupRow:
    # Filtered here: SQLite would read every stored copy.
    stored = [copy for copy in backup.copies.all() if copy.status == CopyStatus.STORED]
    repositories = [copy.repository.name for copy in stored]
    kept = longest_kept(judged.get(backup.pk, ()))
    proof = proofs.get(backup.pk, UNPROVEN)
    return BackupRow(backup, proof, repositories, kept, missing.get(backup.pk, ()))


def _job_row(job: Job, waiting: Mapping[int, Waiting], now: datetime) -> JobRow:
    progress = progress_of(job, now) if job.active else None
    return JobRow(job, job.run_time(now), progress, waiting.get(job.pk))
