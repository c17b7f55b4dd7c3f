"""Who is protected, and who needs attention?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import QueryDict

from backups.models import Backup, Instance, Job
from backups.states import (
    ACTIVE_JOB_STATUSES,
    TERMINAL_JOB_STATUSES,
    CopyStatus,
    JobStatus,
    Operation,
)
from backups.waiting import Waiting, explain_waiting
from monitor.selectors.progress import Progress, progress_of
from monitor.selectors.proof import UNPROVEN, Proof, load_proofs
from monitor.sorting import Sorting, read_sorting

# As many as a person looks through, and few enough for a light page.
PAGE_SIZE = 16
BAD_ENDS = frozenset({JobStatus.FAILED, JobStatus.LOST})


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One instance as the fleet page shows it."""

    instance: Instance
    backup: Backup | None
    proof: Proof
    active_job: Job | None
    progress: Progress | None
    waiting: Waiting | None
    last_job: Job | None
    last_backup_job: Job | None

    @property
    def state(self) -> str:
        if not self.instance.enabled:
            return "disabled"
        return "attention" if self.reasons else "backed_up"

    @property
    def reasons(self) -> list[str]:
        """Why someone should look, in words; empty when nobody has to."""
        reasons = []
        if self.backup is None:
            reasons.append("never backed up")
        if self.last_backup_job and self.last_backup_job.status in BAD_ENDS:
            reasons.append(f"last backup {self.last_backup_job.status}")
        for evidence in self.proof.failed:
            reasons.append(f"{evidence.get_operation_display().lower()} failed")
        return reasons

    @property
    def outcome(self) -> Job | None:
        """The ended job to show: a failed backup is not hidden by what ran after it."""
        if self.last_backup_job and self.last_backup_job.status in BAD_ENDS:
            return self.last_backup_job
        return self.last_job


def list_fleet(now: datetime) -> list[FleetRow]:
    """Return one row per instance, those that need attention first, disabled ones last."""
    instances = list(_with_newest(Instance.objects.prefetch_related("groups")))
    backups = Backup.objects.in_bulk(_ids(instances, "newest_backup"))
    jobs = Job.objects.in_bulk(_ids(instances, "active_job", "last_job", "last_backup_job"))
    proofs = load_proofs(backups)
    waiting = explain_waiting(jobs.values())
    rows = [_row(instance, backups, jobs, proofs, waiting, now) for instance in instances]
    return sorted(rows, key=lambda row: (_STATES.index(row.state), row.instance.name))


@dataclass(frozen=True, slots=True)
class StateTile:
    """How many instances are in a state; pressing it shows only those."""

    word: str
    count: int
    tone: str
    address: str
    current: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class FleetView:
    """One page of the fleet as somebody asked for it."""

    total: int
    tiles: list[StateTile]
    page: Page[FleetRow]
    sorting: Sorting


def load_fleet(query: QueryDict, now: datetime) -> FleetView:
    """Answer what the address asks for: which state, in which order, which page."""
    rows = list_fleet(now)
    state = query.get("state", "")
    sorting = read_sorting(query, tuple(_ORDERS), "state")
    chosen = [row for row in rows if not state or _is_in(row, state)]
    # Equal rows keep the order of list_fleet in both directions.
    chosen.sort(key=_ORDERS[sorting.column], reverse=sorting.descending)
    return FleetView(
        total=len(rows),
        tiles=_tiles(rows, state),
        page=Paginator(chosen, PAGE_SIZE).get_page(query.get("page")),
        sorting=sorting,
    )


def count_states(rows: Sequence[FleetRow]) -> Mapping[str, int]:
    """Count the rows by what the line above the table says."""
    counts = Counter(row.state for row in rows)
    counts["running"] = sum(row.active_job is not None for row in rows)
    return {name: counts[name] for name in ("attention", "backed_up", "disabled", "running")}


def _with_newest(instances: QuerySet[Instance]) -> QuerySet[Instance]:
    stored = Backup.objects.filter(instance=OuterRef("pk"), copies__status=CopyStatus.STORED)
    jobs = Job.objects.filter(instance=OuterRef("pk")).order_by("-id")
    ended = jobs.filter(status__in=TERMINAL_JOB_STATUSES)
    return instances.annotate(
        newest_backup=Subquery(stored.order_by("-ended_at", "-id").values("pk")[:1]),
        active_job=Subquery(jobs.filter(status__in=ACTIVE_JOB_STATUSES).values("pk")[:1]),
        last_job=Subquery(ended.values("pk")[:1]),
        last_backup_job=Subquery(ended.filter(operation=Operation.BACKUP).values("pk")[:1]),
    )


def _ids(instances: Sequence[Instance], *names: str) -> set[int]:
    found = {getattr(instance, name) for instance in instances for name in names}
    return found - {None}


def _row(
    instance: Instance,
    backups: Mapping[int, Backup],
    jobs: Mapping[int, Job],
    proofs: Mapping[int, Proof],
    waiting: Mapping[int, Waiting],
    now: datetime,
) -> FleetRow:
    newest = {name: getattr(instance, name) for name in ("newest_backup", *_JOBS)}
    active, last, last_backup = (jobs.get(newest[name]) for name in _JOBS)
    return FleetRow(
        instance=instance,
        backup=backups.get(newest["newest_backup"]),
        proof=proofs.get(newest["newest_backup"], UNPROVEN),
        active_job=active,
        progress=progress_of(active, now) if active else None,
        waiting=waiting.get(active.pk) if active else None,
        last_job=last,
        last_backup_job=last_backup,
    )


_JOBS = ("active_job", "last_job", "last_backup_job")


def _is_in(row: FleetRow, state: str) -> bool:
    return row.active_job is not None if state == "running" else row.state == state


def _tiles(rows: Sequence[FleetRow], state: str) -> list[StateTile]:
    counts = count_states(rows)
    every = StateTile("Instances", len(rows), "", "?", current=not state)
    return [every] + [
        StateTile(word, counts[name], tone if counts[name] else "", f"?state={name}", name == state)
        for name, word, tone in _TILES
        if counts[name] or name != "disabled"
    ]


_STATES = ("attention", "backed_up", "disabled")
_TILES = (
    ("attention", "Need attention", "bad"),
    ("backed_up", "Backed up", "ok"),
    ("running", "Job running", "busy"),
    ("disabled", "Disabled", "idle"),
)
# What a column is sorted by; without a backup an instance is the oldest and the smallest.
_ORDERS: Mapping[str, Callable[[FleetRow], str | int | float]] = {
    "state": lambda row: _STATES.index(row.state),
    "name": lambda row: row.instance.name.lower(),
    "age": lambda row: row.backup.ended_at.timestamp() if row.backup else 0,
    "size": lambda row: (row.backup.raw_bytes or 0) if row.backup else -1,
}
