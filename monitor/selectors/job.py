"""What is the progress of a job, stage by stage?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from backups.exceptions import BadInput
from backups.jobs.copying import target_of
from backups.jobs.repeat import why_not_rerun
from backups.jobs.waiting import Waiting, explain_waiting
from backups.models import Drill, Evidence, HookRun, Job, JobEvent, JobStage, Rehearsal, WantedCopy
from backups.parameters import Parameters, RestoreTestParameters, parameters_of
from backups.states import Operation
from backups.units import format_duration
from monitor.selectors.costs import UsageRow, usage_rows
from monitor.selectors.drills import drill_of
from monitor.selectors.job_pace import JobPace, pace_of
from monitor.selectors.job_times import stage_left, usual_lengths, whole_left
from monitor.selectors.kept import KeptFolder, load_kept_folder
from monitor.selectors.progress import Progress, progress_of
from monitor.selectors.rehearsals import rehearsal_of

# Width of the timeline in its own units; the page scales it.
TIMELINE_WIDTH = 1000
# A stage of milliseconds has to be visible in a job of hours.
MIN_BAR_WIDTH = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """The position of a stage between the start of the job and now."""

    x: int
    width: int

    @property
    def left(self) -> float:
        """The position in percent, as the page needs it."""
        return self.x * 100 / TIMELINE_WIDTH

    @property
    def length(self) -> float:
        return self.width * 100 / TIMELINE_WIDTH


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on the scale of the timeline."""

    percent: int
    words: str
    anchor: str


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage, listed below its parent stage."""

    stage: JobStage
    depth: int
    run_time: timedelta | None
    bar: Bar | None
    # The estimated time left; None if it has ended or the time is unknown.
    left: timedelta | None = None


@dataclass(frozen=True, slots=True)
class HookRow:
    """One hook of the job."""

    hook: HookRun
    run_time: timedelta | None
    job_ended: bool

    @property
    def result(self) -> str:
        """How it ended, or what is to be expected of it."""
        hook = self.hook
        if hook.ended_at is not None:
            return hook.problem or "succeeded"
        if hook.started_at is not None and not self.job_ended:
            return "running"
        if hook.open and self.job_ended:
            why = f" (last try: {hook.problem})" if hook.problem else ""
            return f"owed: it runs on {hook.host} once the process control runs there{why}"
        return "not run" if self.job_ended else "not run yet"


@dataclass(frozen=True, slots=True)
class JobView:
    """The live part of the page of a job."""

    job: Job
    progress: Progress
    stages: list[StageRow]
    ticks: list[Tick]
    events: list[JobEvent]
    waiting: Waiting | None
    time_left: timedelta | None
    # What was asked of it; None where its row cannot be read.
    asked: Parameters | None
    # What came of its recovery to a moment; None: it goes to none, or is not there yet.
    drill: Drill | None = None
    # What came of its rehearsal of an upgrade; None as well.
    rehearsal: Rehearsal | None = None
    # Whether its evidence says that the backup itself is good.
    backup_passed: bool = False
    # The folder that a restore has left; None: none is kept.
    kept: KeptFolder | None = None
    # Whether a copy that the backup was to have is still missing.
    missing_copies: bool = False

    # How fast it may read; None for all but running backups.
    pace: JobPace | None = None
    # Where a copy goes; blank for other operations.
    copies_to: str = ""
    hook_runs: Sequence[HookRow] = ()

    @property
    def failed_hooks(self) -> bool:
        return any(row.hook.problem for row in self.hook_runs)

    @property
    def moment(self) -> datetime | None:
        """Where a drill goes."""
        asked = self.asked
        is_drill = isinstance(asked, RestoreTestParameters) and asked.until
        return datetime.fromisoformat(is_drill) if is_drill else None

    @property
    def drawn_from(self) -> tuple[datetime, datetime] | None:
        """The range that its moment was drawn from."""
        asked = self.asked
        if not isinstance(asked, RestoreTestParameters) or not (
            asked.range_from and asked.range_to
        ):
            return None
        return datetime.fromisoformat(asked.range_from), datetime.fromisoformat(asked.range_to)

    @property
    def usage(self) -> list[UsageRow]:
        """What it asked of its repositories; nothing before it has ended."""
        return usage_rows(self.job) if self.job.ended_at is not None else []

    @property
    def may_run_again(self) -> bool:
        return not why_not_rerun(self.job)

    @property
    def shows_left(self) -> bool:
        return any(row.left is not None for row in self.stages)

    @property
    def of_files(self) -> str:
        return f"of {self.job.files_total:,}" if self.job.files_total is not None else ""


def jobs_for_pages() -> QuerySet[Job]:
    return Job.objects.select_related(
        "instance",
        "backup",
        "base",
        "copy__repository",
        "product",
        "requested_by",
        "occurrence__schedule",
    )


def load_job(job: Job, now: datetime) -> JobView:
    """Load what changes while ``job`` runs."""
    stages = list(JobStage.objects.filter(job=job).order_by("position"))
    usual = usual_lengths(job) if job.active else {}
    rows = [
        StageRow(
            stage,
            depth,
            stage.run_time(now),
            bar_of(stage, job, now),
            stage_left(stage, job, usual, now) if job.active else None,
        )
        for stage, depth in in_reading_order(stages)
    ]
    events = list(JobEvent.objects.filter(job=job).order_by("id"))
    waiting = explain_waiting([job]).get(job.pk)
    ticks = ticks_of(job.run_time(now))
    left = whole_left(stages, job, usual, now)
    tests = job.operation == Operation.RESTORE_TEST
    return JobView(
        job,
        progress_of(job, now),
        rows,
        ticks,
        events,
        waiting,
        left,
        asked_of(job),
        drill_of(job.pk) if tests else None,
        rehearsal=rehearsal_of(job.pk) if job.operation == Operation.REHEARSAL else None,
        backup_passed=tests and Evidence.objects.filter(job=job, passed=True).exists(),
        kept=load_kept_folder(job),
        missing_copies=bool(job.problems) and _misses_copies(job),
        pace=pace_of(job, stages),
        copies_to=_copies_to(job),
        hook_runs=_hooks_of(job, now),
    )


def _hooks_of(job: Job, now: datetime) -> list[HookRow]:
    rows = HookRun.objects.filter(job=job).order_by("position")
    return [HookRow(row, row.run_time(now), not job.active) for row in rows]


def _copies_to(job: Job) -> str:
    if job.operation != Operation.COPY:
        return ""
    try:
        return target_of(job).name
    except BadInput:
        return "a repository that was deleted"


def _misses_copies(job: Job) -> bool:
    return WantedCopy.objects.still_wanted().filter(backup__made_by=job).exists()


def asked_of(job: Job) -> Parameters | None:
    try:
        return parameters_of(job)
    except BadInput:
        return None


def ticks_of(whole: timedelta | None) -> list[Tick]:
    """Return labels for the start, middle and end of the timeline."""
    if not whole:
        return []
    ends = {0: "start", 100: "end"}
    return [
        Tick(percent, "0" if percent == 0 else format_duration(whole * percent / 100), anchor)
        for percent, anchor in ((n, ends.get(n, "middle")) for n in (0, 50, 100))
    ]


def in_reading_order(
    stages: Sequence[JobStage], parent: int | None = None, depth: int = 0
) -> Iterator[tuple[JobStage, int]]:
    """Yield each stage with its depth, children right after their parent."""
    for stage in stages:
        if stage.parent_id == parent:
            yield stage, depth
            yield from in_reading_order(stages, stage.pk, depth + 1)


def bar_of(stage: JobStage, job: Job, now: datetime) -> Bar | None:
    """Return the position of a stage on the timeline; None before it started."""
    if stage.started_at is None or job.started_at is None:
        return None
    whole = ((job.ended_at or now) - job.started_at).total_seconds()
    if whole <= 0:
        return Bar(0, TIMELINE_WIDTH)
    begun = (stage.started_at - job.started_at).total_seconds() / whole
    ended = ((stage.ended_at or job.ended_at or now) - job.started_at).total_seconds() / whole
    x = min(max(round(begun * TIMELINE_WIDTH), 0), TIMELINE_WIDTH - MIN_BAR_WIDTH)
    width = max(round(ended * TIMELINE_WIDTH) - x, MIN_BAR_WIDTH)
    return Bar(x, min(width, TIMELINE_WIDTH - x))
