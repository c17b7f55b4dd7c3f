"""How is a job's copy paced? From its rows to a controller, which follows the engine."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Self

from django.conf import settings
from django.utils.timezone import now

from backups.archive.records import Data, FileOpened, Record
from backups.engines import engine_named
from backups.exceptions import BadInput
from backups.instances.connection import connect, login_of
from backups.jobs.pace import COPY_STAGE
from backups.models import Backup, Job, JobStage
from backups.models.job import LogLevel
from backups.pacing.controller import PaceController, PacePlan
from backups.pacing.facts import PaceFacts
from backups.pacing.target import PaceColumns, PaceTarget, decide_target
from backups.pacing.view import PaceView
from backups.programs.compatibility import parse_version
from backups.running.run import Run
from backups.stages.backup.work import BackupWork
from backups.states import CHOSEN_KINDS

SOURCE = "pace"
# Of how many backups the fastest is looked for.
BACKUPS_COMPARED = 30
# A probe that waits for longer than this gives up the query.
PROBE_SECONDS = 3


class CopyPace:
    """The pace of one job's copy. It observes the engine and passes all on to the run."""

    def __init__(self, run: Run, work: BackupWork) -> None:
        self._run = run
        run.pace = PaceView()
        plan = self._plan(work.job)
        self._redo_path = plan.profile.redo_file
        self._redo_file: int | None = None
        self._controller = PaceController(
            plan,
            partial(
                connect,
                login_of(work.job.instance),
                connect_timeout=PROBE_SECONDS,
                read_timeout=PROBE_SECONDS,
            ),
            run.pace,
            self._write,
            on_pause=run.alive,
        )
        self.limiter = self._controller.limiter

    def __enter__(self) -> Self:
        self._controller.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._controller.__exit__(kind, error, trace)

    def follow(self, records: Iterator[Record]) -> Iterator[Record]:
        """Pass records on; count what is read, stored or not, as a sign of life."""
        for record in records:
            self._run.alive()
            match record:
                case FileOpened(file, path) if path == self._redo_path:
                    self._redo_file = file
                case Data(file, _, payload) if file == self._redo_file:
                    self._controller.redo_received(len(payload))
            yield record

    def facts(self) -> PaceFacts:
        return self._controller.facts()

    # As backups.engines.base.CopyObserver

    def stage_started(self, name: str, at: datetime) -> None:
        self._controller.stage_started(name)
        self._run.stage_started(name, at)

    def stage_ended(
        self, name: str, at: datetime, *, lock_time: timedelta | None = None, detail: str = ""
    ) -> None:
        self._controller.stage_ended(name)
        self._run.stage_ended(name, at, lock_time=lock_time, detail=detail)

    def log(self, source: str, text: str, level: str = "info") -> None:
        self._controller.engine_line(text)
        self._run.log(source, text, level)

    def process_started(self, group: int, started: float) -> None:
        self._run.process_started(group, started)

    def expect(self, *, raw_bytes: int, files: int) -> None:
        self._run.expect(raw_bytes=raw_bytes, files=files)

    def _plan(self, job: Job) -> PacePlan:
        try:
            plan = plan_of(job)
            plan.target.limit_at(now())
        except BadInput as exc:
            self._write(f"limits by hours are ignored: {exc}", warning=True)
            return plan_of(job, with_hours=False)
        return plan

    def _write(self, text: str, *, warning: bool = False) -> None:
        self._run.log(SOURCE, text, LogLevel.WARNING if warning else LogLevel.INFO)


def plan_of(job: Job, *, with_hours: bool = True) -> PacePlan:
    """Return what the copy of a job is to keep to: its schedule decides, then its instance."""
    rows: list[PaceColumns] = [job.instance]
    time_zone = ""
    if job.occurrence is not None:
        rows.insert(0, job.occurrence.schedule)
        time_zone = job.occurrence.schedule.time_zone
    defaults = PaceTarget(
        settings.PACE_FACTOR, settings.PACE_LAG_SECONDS, settings.THROTTLE_BYTES_PER_S
    )
    rates = list(_earlier_rates(job))
    return PacePlan(
        target=decide_target(defaults, *rows, time_zone=time_zone, with_hours=with_hours),
        profile=engine_named(job.engine).pacing,
        threads=settings.COPY_THREADS,
        longest=float(settings.PACE_LONGEST),
        # Some were slowed themselves.
        known_rate=max((rate for rate, _ in rates), default=0.0),
        borne_rate=next((rate for rate, watched in rates if watched), None),
        locked=_locked_by(job),
    )


def _locked_by(job: Job) -> str:
    """Return what is locked for all of the copy, by the version that was seen last."""
    profile, version = engine_named(job.engine).pacing, parse_version(job.instance.version)
    if profile.locks_before is None or version is None or version >= profile.locks_before:
        return ""
    return f"backup lock that a server of {version} holds until the copy has ended"


def _earlier_rates(job: Job) -> Iterator[tuple[float, bool]]:
    """Yield the rates of its last copies, the latest first, and whether they were watched."""
    backups = Backup.objects.filter(instance=job.instance, engine=job.engine, consolidated_from="")
    # A partial one reads what it does not keep: its size says nothing of the rate.
    backups = backups.exclude(kind__in=CHOSEN_KINDS)
    last = list(backups.exclude(restored_bytes=None)[:BACKUPS_COMPARED])
    copied = _copy_times({each.made_by_id for each in last if each.made_by_id})
    for each in last:
        seconds = max(1.0, copied.get(each.made_by_id, each.run_time).total_seconds())
        facts = PaceFacts.read(each.pace)
        watched = facts is not None and facts.target_ms is not None
        yield (each.restored_bytes or 0) / seconds, watched


def _copy_times(jobs: Collection[int]) -> dict[int | None, timedelta]:
    """Return how long each of these jobs read its instance: the rest of a job is not its rate."""
    stages = JobStage.objects.filter(job__in=jobs, parent=None, name=COPY_STAGE)
    rows = stages.values_list("job_id", "started_at", "ended_at")
    return {job: ended - started for job, started, ended in rows if started and ended}
