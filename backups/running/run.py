"""What does a job hold while it runs, and how is it stopped?

A ``Run`` is passed to every stage. Stages work in their own thread; the lease keeper
(``backups.running.lease``) writes progress and the lease in another, and requests a stop.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.timezone import now

from backups.archive.meter import Meter
from backups.exceptions import LeaseLost
from backups.models import Job
from backups.models.job import LogLevel
from backups.pacing.view import PaceView
from backups.programs.redo_progress import RedoProgress
from backups.transitions.jobs import note_process

logger = logging.getLogger(__name__)

# More than an engine logs in a second; lines beyond it are counted, not kept.
MAX_UNWRITTEN_LINES = 10_000


@dataclass(frozen=True, slots=True)
class JobLogEntry:
    """A log line and its time."""

    at: datetime
    source: str
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class StageMove:
    """A sub-operation of an engine began, or ended."""

    name: str
    at: datetime
    ended: bool
    # Within which of the job's stages, counted from 0.
    stage: int
    lock_time: timedelta | None = None
    detail: str = ""


def boot_clock() -> float:
    """Return seconds that also pass while this process, or the whole machine, sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Run:
    """One attempt at a job, in this process."""

    def __init__(self, job: Job) -> None:
        self.job = job
        # Whether a job that a shutdown ends may be requested again.
        self.requeues = False
        # The owner's token as claimed: every write of this run names it.
        self.token = job.fencing_token
        self.meter = Meter()
        # The bytes of the earlier stage that moved most, and their total.
        self.most_bytes, self.most_bytes_total = 0, self.meter.raw_bytes_total
        # Whether the present stage moves bytes of its own.
        self.metered = False
        # Counts every sign of progress, for the detection of stalls.
        self.activity = 0
        self.last_line = ""
        # Whether silence means a stall in the present stage.
        self.watched = True
        self.stage, self.stage_number = "", 0
        # The engine's current sub-operation, named when a job stalls; blank if there is none.
        self.step = ""
        # When the lease ends by our own clock; None until the lease keeper sets it.
        self._lease_ends: float | None = None
        self.lines: queue.Queue[JobLogEntry] = queue.Queue(MAX_UNWRITTEN_LINES)
        # Lines dropped because the queue was full, since the last write.
        self.unkept_lines = 0
        self.moves: queue.Queue[StageMove] = queue.Queue()
        self._stop: BaseException | None = None
        # Set if the process was asked to exit while the job ran.
        self.shutdown: SystemExit | None = None
        # Whether the job is requested again when it ends.
        self.requests_again = False
        # What went wrong although the job continues, a line for each.
        self.problems: list[str] = []
        self._hooks: list[Callable[[], None]] = []
        # The pace of the copy that this job makes, while it makes one or has made one.
        self.pace: PaceView | None = None
        self._lock = threading.Lock()

    # Called by stages

    def check(self) -> None:
        """Raise when the job must end; called between any two pieces of work.

        A process that was suspended for longer than its lease stops here before it writes a
        byte: the lease keeper may not have run yet.
        """
        if self._lease_ends is not None and boot_clock() >= self._lease_ends:
            self.stop(LeaseLost("its lease expired before it could be renewed"))
        if self._stop is not None:
            raise self._stop

    def log(self, source: str, text: str, level: str = LogLevel.INFO) -> None:
        """Queue a line for the job's log. Never blocks: an engine may be waiting for us."""
        self.activity += 1
        self.last_line = text
        try:
            self.lines.put_nowait(JobLogEntry(now(), source, level, text.replace("\0", "")))
        except queue.Full:
            self.unkept_lines += 1

    def alive(self) -> None:
        """Record progress that has no log line, so that it is no stall."""
        self.activity += 1

    @contextmanager
    def ending_by(self, hook: Callable[[], None]) -> Iterator[None]:
        """Inside, ``hook`` is called to unblock the thread when the job must stop."""
        with self._lock:
            self._hooks.append(hook)
            stopped = self._stop is not None
        if stopped:
            hook()
        try:
            yield
        finally:
            with self._lock:
                self._hooks.remove(hook)

    def new_meter(self) -> Meter:
        """Start counting from zero, for a stage that moves bytes of its own."""
        if self.meter.raw_bytes > self.most_bytes:
            self.most_bytes = self.meter.raw_bytes
            self.most_bytes_total = self.meter.raw_bytes_total
        self.meter, self.metered = Meter(), True
        return self.meter

    def process_started(self, group: int, started: float) -> None:
        """Record the process group that would be orphaned if this process were killed."""
        note_process(self.job, self.token, group, started)

    def forget_leftovers(self) -> None:
        """Record that no leftovers remain; without effect after the lease is lost."""
        mine = Job.objects.filter(pk=self.job.pk, fencing_token=self.token)
        mine.update(leftovers=False)

    # Called by engines: see backups.engines.base.CopyObserver

    def stage_started(self, name: str, at: datetime) -> None:
        self.activity += 1
        self.step = name
        self.moves.put(StageMove(name, at, ended=False, stage=self.stage_number))

    def stage_ended(
        self, name: str, at: datetime, *, lock_time: timedelta | None = None, detail: str = ""
    ) -> None:
        self.activity += 1
        if self.step == name:
            self.step = ""
        number = self.stage_number
        self.moves.put(StageMove(name, at, True, number, lock_time=lock_time, detail=detail))

    def redo_applied(self, redo: RedoProgress) -> None:
        """Show how far the redo log is applied; what the log does not say stays unknown."""
        self.activity += 1
        if not self.meter.reported:
            # Its files are those of the stage before.
            before, meter = self.meter, self.new_meter()
            meter.reported = True
            meter.files_done, meter.files_total = before.files_done, before.files_total
        meter = self.meter
        meter.raw_bytes, meter.raw_bytes_total = redo.done_bytes, redo.total_bytes
        meter.reported_rate, meter.current_file = redo.rate_bytes_per_s, redo.words

    def expect(self, *, raw_bytes: int, files: int) -> None:
        """Replace the estimate of the preflight by the engine's own."""
        self.meter.raw_bytes_total, self.meter.files_total = raw_bytes, files

    # Called by the lease keeper

    def hold_lease_until(self, at: float) -> None:
        """From ``at`` on, by ``boot_clock``, another process may own the job."""
        self._lease_ends = at

    def stop(self, reason: BaseException) -> None:
        """Make ``check`` raise ``reason``, and unblock the thread.

        The first reason counts, but for a lost lease: work that goes on after a cancel, such as
        an after hook, must not go on beside that of the next owner.
        """
        with self._lock:
            first = self._stop is None
            if first or (isinstance(reason, LeaseLost) and not isinstance(self._stop, LeaseLost)):
                self._stop = reason
            # Whoever came later was unblocked at once.
            hooks = list(self._hooks) if first else []
        for hook in reversed(hooks):
            try:
                hook()
            except Exception:
                # The other hooks must be called all the same.
                logger.exception(
                    "%s: the operation it is blocked on could not be ended",
                    self.job,
                    extra={"action": "stop_hook_failed", "job_id": self.job.pk},
                )

    @property
    def patience(self) -> float:
        """After how many seconds of silence the current stage is stalled."""
        by_stage: Mapping[str, int] = settings.STALL_SECONDS_OF_STAGES
        return by_stage.get(self.step) or by_stage.get(self.stage) or settings.STALL_SECONDS

    @property
    def stop_reason(self) -> BaseException | None:
        return self._stop
