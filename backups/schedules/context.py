"""Which facts does a decision about some occurrences depend on?

Loaded for a whole batch, inside the transaction that writes the decisions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Max

from backups.exceptions import BadInput
from backups.health.heartbeats import queue_is_served
from backups.jobs.destinations import only_repository
from backups.jobs.wake import QUEUES
from backups.models import BackupSchedule, Job, ObservedHistory, Occurrence, Repository
from backups.models.catalog import Origin
from backups.norms import DEPTH
from backups.schedules.expected import expected_duration
from backups.schedules.make_up import load_overdue_fulls
from backups.schedules.proof_jobs import against_their_copy
from backups.states import ACTIVE_JOB_STATUSES, PROOFS, JobStatus, OccurrenceStatus, Operation

# Runs of a few seconds vary by as much again without significance.
TOLERANCE = timedelta(minutes=1)


@dataclass(slots=True)
class ScheduleContext:
    """The facts decisions are based on; ``starting`` adds the decisions of this batch."""

    now: datetime
    down_since: datetime | None
    # By instance: the backup job that is pending or running for it.
    busy: dict[int, str]
    # By schedule: how many jobs of it are active.
    active: Counter[int]
    # By schedule and instance: the newest open occurrence that has become due.
    newest: dict[tuple[int, int], datetime]
    # By schedule: the repositories of its backups.
    repositories: dict[int, list[Repository]]
    only_repository: Repository | BadInput | None
    copy_queue_served: bool
    transfer_queue_served: bool = True
    # By instance: the verify or restore test that is pending or running.
    proving: dict[int, str] = field(default_factory=dict)
    # Failed jobs of proofs that have found a fault.
    refuting: set[int] = field(default_factory=set)
    histories: dict[int, ObservedHistory] = field(default_factory=dict)
    # By occurrence: why it takes a full backup instead of its kind.
    overdue_fulls: dict[int, str] = field(default_factory=dict)

    def starting(self, occurrence: Occurrence) -> None:
        """Count an occurrence that starts now against those decided after it."""
        if occurrence.schedule.proves:
            self.proving[occurrence.instance_id] = "another verify or restore test starts now"
        else:
            self.busy[occurrence.instance_id] = "another backup starts now"
        self.active[occurrence.schedule_id] += 1

    def in_the_way(self, occurrence: Occurrence) -> str:
        """Return which job of the instance has to end first; blank if none has."""
        jobs = self.proving if occurrence.schedule.proves else self.busy
        return jobs.get(occurrence.instance_id, "")

    def queue_of(self, occurrence: Occurrence) -> tuple[str, bool]:
        """Return the queue of its job, as people call it, and whether a worker consumes it."""
        if occurrence.schedule.proves:
            return "transfer", self.transfer_queue_served
        return "backup", self.copy_queue_served

    def superseded(self, occurrence: Occurrence) -> bool:
        """Whether a later occurrence of the same schedule and instance is due."""
        newest = self.newest.get((occurrence.schedule_id, occurrence.instance_id))
        return newest is not None and newest > occurrence.due_at

    def was_down_at(self, moment: datetime) -> bool:
        return self.down_since is not None and self.down_since < moment <= self.now


def load_context(
    occurrences: Sequence[Occurrence], now: datetime, down_since: datetime | None
) -> ScheduleContext:
    """Load the facts about ``occurrences`` in a constant number of queries."""
    busy, proving, active = _active_jobs()
    # A proof reads whichever copy there is.
    backing_up = {run.schedule_id for run in occurrences if not run.schedule.proves}
    repositories = _repositories(backing_up)
    return ScheduleContext(
        now,
        down_since,
        busy,
        active,
        _newest(occurrences, now),
        repositories,
        _only_repository() if len(repositories) < len(backing_up) else None,
        queue_is_served(QUEUES[Operation.BACKUP], now),
        queue_is_served(QUEUES[Operation.RESTORE_TEST], now),
        proving,
        _refuting(occurrences),
        _histories(occurrences),
        load_overdue_fulls(occurrences),
    )


def expected_run(occurrence: Occurrence) -> timedelta | None:
    """Return how long a run may take: set on the schedule, or computed from past runs.

    Only runs that took the same kind are compared.
    """
    given = occurrence.schedule.expected_duration
    if given is not None:
        return given
    kind = occurrence.job.kind if occurrence.job is not None else occurrence.kind
    past = Occurrence.objects.filter(
        schedule=occurrence.schedule_id,
        instance=occurrence.instance_id,
        status=OccurrenceStatus.SUCCEEDED,
        job__kind=kind,
        job__started_at__isnull=False,
        job__ended_at__isnull=False,
    ).order_by("-due_at")
    times = past.values_list("job__started_at", "job__ended_at")[:DEPTH]
    runs = [ended - started for started, ended in times if started and ended]
    usual = expected_duration(runs)
    return None if usual is None else usual + TOLERANCE


def lock_limited_schedules(occurrences: Iterable[Occurrence]) -> None:
    """Keep two ticks from counting the same free place under a schedule's limit."""
    limited = sorted(
        {occurrence.schedule_id for occurrence in occurrences if occurrence.schedule.max_jobs}
    )
    if limited:
        rows = BackupSchedule.objects.filter(pk__in=limited).select_for_update(no_key=True)
        list(rows.order_by("pk").values_list("pk"))


def _active_jobs() -> tuple[dict[int, str], dict[int, str], Counter[int]]:
    active = Job.objects.filter(
        status__in=ACTIVE_JOB_STATUSES,
        operation__in=(Operation.BACKUP, *PROOFS),
        origin=Origin.MANAGED,
    )
    busy: dict[int, str] = {}
    proving: dict[int, str] = {}
    counts: Counter[int] = Counter()
    for pk, operation, instance, status, schedule in active.values_list(
        "pk", "operation", "instance_id", "status", "occurrence__schedule_id"
    ):
        held = proving if operation in PROOFS else busy
        held[instance] = f"{Operation(operation).label.lower()} job {pk} is {status}"
        counts[schedule] += 1
    return busy, proving, counts


def _refuting(occurrences: Sequence[Occurrence]) -> set[int]:
    ended = [
        occurrence.job
        for occurrence in occurrences
        if occurrence.schedule.proves
        and occurrence.job is not None
        and occurrence.job.status == JobStatus.FAILED
    ]
    return against_their_copy(ended) if ended else set()


def _newest(occurrences: Sequence[Occurrence], now: datetime) -> dict[tuple[int, int], datetime]:
    started = Occurrence.objects.filter(
        instance__in={occurrence.instance_id for occurrence in occurrences},
        next_check_at__isnull=False,
        starts_at__lte=now,
    )
    grouped = started.order_by().values_list("schedule_id", "instance_id")
    return {(one, two): due for one, two, due in grouped.annotate(newest=Max("due_at"))}


def _repositories(schedules: set[int]) -> dict[int, list[Repository]]:
    through = BackupSchedule.repositories.through.objects
    by_schedule: dict[int, list[Repository]] = defaultdict(list)
    ties = through.filter(backupschedule__in=schedules).select_related("repository").order_by("id")
    for tie in ties:
        by_schedule[tie.backupschedule_id].append(tie.repository)
    return dict(by_schedule)


def _only_repository() -> Repository | BadInput:
    try:
        return only_repository()
    except BadInput as exc:
        return exc


def _histories(occurrences: Sequence[Occurrence]) -> dict[int, ObservedHistory]:
    watched = {
        occurrence.instance_id
        for occurrence in occurrences
        if occurrence.schedule.origin == Origin.OBSERVED
    }
    if not watched:
        return {}
    histories = ObservedHistory.objects.filter(instance__in=watched)
    return {history.instance_id: history for history in histories}
