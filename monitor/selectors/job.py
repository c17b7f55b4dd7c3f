"""What is a job doing, stage by stage?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from backups.jobs.repeat import why_not_rerun
from backups.jobs.waiting import Waiting, explain_waiting
from backups.models import Job, JobEvent, JobStage
from backups.units import format_duration
from monitor.selectors.job_times import stage_left, usual_lengths, whole_left
from monitor.selectors.progress import Progress, progress_of

# Width of the timeline's own scale; the drawing stretches it to its column.
TIMELINE_WIDTH = 1000
# A stage of a few milliseconds must still be seen in a job of hours.
THINNEST_BAR = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a stage lies between the job's start and now."""

    x: int
    width: int

    @property
    def left(self) -> float:
        """In percent, which is what the drawing understands."""
        return self.x * 100 / TIMELINE_WIDTH

    @property
    def length(self) -> float:
        return self.width * 100 / TIMELINE_WIDTH


@dataclass(frozen=True, slots=True)
class Tick:
    """A word on the scale above the timeline."""

    percent: int
    words: str
    anchor: str


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage in the order people read it: below the stage that ran it."""

    stage: JobStage
    depth: int
    run_time: timedelta | None
    bar: Bar | None
    # Until it will have ended; None where it has, or nobody can say.
    left: timedelta | None = None


@dataclass(frozen=True, slots=True)
class JobView:
    """The live part of a job's page."""

    job: Job
    progress: Progress
    stages: list[StageRow]
    ticks: list[Tick]
    events: list[JobEvent]
    waiting: Waiting | None
    time_left: timedelta | None

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
        "instance", "backup", "copy__repository", "product", "requested_by", "occurrence__schedule"
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
    return JobView(job, progress_of(job, now), rows, ticks, events, waiting, left)


def ticks_of(whole: timedelta | None) -> list[Tick]:
    """Say on the scale how long the job has run at its start, middle and end."""
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
    """Place a stage on its job's timeline; None before it started."""
    if stage.started_at is None or job.started_at is None:
        return None
    whole = ((job.ended_at or now) - job.started_at).total_seconds()
    if whole <= 0:
        return Bar(0, TIMELINE_WIDTH)
    begun = (stage.started_at - job.started_at).total_seconds() / whole
    ended = ((stage.ended_at or job.ended_at or now) - job.started_at).total_seconds() / whole
    x = min(max(round(begun * TIMELINE_WIDTH), 0), TIMELINE_WIDTH - THINNEST_BAR)
    width = max(round(ended * TIMELINE_WIDTH) - x, THINNEST_BAR)
    return Bar(x, min(width, TIMELINE_WIDTH - x))
