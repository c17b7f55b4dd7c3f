"""Which nights of an instance were incremental, and what does each backup need?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from backups.models import Backup, Job
from backups.states import BackupKind, KindCause
from scripts.sample_history import BAD, Night

# The groups whose schedule takes full backups on Sunday and incremental ones on other days.
LINKED_GROUPS = ("shop", "analytics")
SUNDAY = 6
# Of a full one: what an incremental backup stores, and how long it takes.
STORED, TIME = 0.07, 0.8
LETTERS = {BackupKind.FULL: "F", BackupKind.INCREMENTAL: "I"}


@dataclass(slots=True)
class SampleChain:
    """The chain of one instance, as its nights pass."""

    linked: bool
    # The newest full backup, and those that go on from it.
    backups: list[Backup] = field(default_factory=list)
    # How many chains there were before this one.
    number: int = -1
    overdue: str = ""

    def planned(self, night: Night) -> BackupKind:
        full = not self.linked or night.due_at.weekday() == SUNDAY
        return BackupKind.FULL if full else BackupKind.INCREMENTAL

    def kind(self, night: Night) -> BackupKind:
        """Return what is taken: a full backup also after one that was not taken."""
        return self.planned(night) if self.backups and not self.overdue else BackupKind.FULL

    def as_taken(self, night: Night) -> Night:
        """Return the night with the sizes of its kind."""
        if self.kind(night) == BackupKind.FULL:
            return night
        return replace(
            night, took=night.took * TIME, stored_bytes=round(night.stored_bytes * STORED)
        )

    def describe(self, job: Job, night: Night) -> None:
        """Write into a job what was planned, what is taken, and why."""
        job.kind, job.requested_kind = self.kind(night), self.planned(night)
        if job.kind != job.requested_kind:
            job.kind_cause = KindCause.FULL_OVERDUE if self.overdue else KindCause.NO_BASE
            job.kind_reason = self.overdue or "there is no stored backup to go on from"

    def not_taken(self, night: Night) -> None:
        """Note a night without a backup: the next one makes up for a full one."""
        if self.planned(night) == BackupKind.FULL and self.linked:
            how = "failed" if night.status in BAD else "was missed"
            self.overdue = f"the full backup due at {night.due_at:%Y-%m-%d} 01:00Z {how}"

    def add(self, backup: Backup) -> list[Backup]:
        """Take in a backup; return what it needs, the full one first."""
        if backup.kind == BackupKind.FULL:
            self.backups, self.overdue = [backup], ""
            self.number += 1
            return []
        needed = list(self.backups)
        self.backups.append(backup)
        return needed


def stages_before(job: Job) -> tuple[str, ...]:
    """Return the stages before the copy: a full backup as planned chooses no base."""
    first = ("connect", "preflight")
    return first if job.requested_kind == BackupKind.FULL else (*first, "choose base")
