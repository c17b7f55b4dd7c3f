"""What does a job hold while it runs, and who may stop it?

A ``Run`` is handed to every stage. Stages do the work in their own thread; the pulse
(``backups.running.lease``) writes progress and the lease in another, and asks the stages to stop.
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
from backups.transitions.jobs import note_process

logger = logging.getLogger(__name__)

# More than an engine says in a second; a flood beyond it is counted, not kept.
MAX_UNWRITTEN_LINES = 10_000


@dataclass(frozen=True, slots=True)
class LogLine:
    """Something that was said, and when."""

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
        # Whether somebody asks again for what a shutdown ends.
        self.requeues = False
        # The owner's token as claimed: every write of this run names it.
        self.token = job.fencing_token
        self.meter = Meter()
        # What the busiest of the earlier stages moved.
        self.most_bytes = 0
        # Whether the present stage moves bytes of its own.
        self.metered = False
        # Counts everything that shows life, for the detection of stalls.
        self.activity = 0
        self.last_heard = ""
        # Whether silence means a stall in the present stage.
        self.watched = True
        self.stage, self.stage_number = "", 0
        # The engine's own sub-operation at work, for the words of a stall; blank where none is.
        self.step = ""
        # When the lease ends by our own clock; None before the pulse has said.
        self._lease_ends: float | None = None
        self.lines: queue.Queue[LogLine] = queue.Queue(MAX_UNWRITTEN_LINES)
        # Lines that found no place in the queue since the last time somebody looked.
        self.unkept_lines = 0
        self.moves: queue.Queue[StageMove] = queue.Queue()
        self._stop: BaseException | None = None
        # Set where the process was told to end while the job ran.
        self.shutdown: SystemExit | None = None
        # Whether this one is asked for again as it ends.
        self.asks_again = False
        self._hooks: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    # What stages call

    def check(self) -> None:
        """Raise when the job has to end; called between any two pieces of work.

        A process that slept longer than its lease learns of it here, before it writes a byte:
        the pulse may not have woken up yet.
        """
        if self._lease_ends is not None and boot_clock() >= self._lease_ends:
            self.stop(LeaseLost("its own lease ran out before it could be renewed"))
        if self._stop is not None:
            raise self._stop

    def log(self, source: str, text: str, level: str = LogLevel.INFO) -> None:
        """Keep a line for the job's log. Never blocks: an engine may be waiting for us."""
        self.activity += 1
        self.last_heard = text
        try:
            self.lines.put_nowait(LogLine(now(), source, level, text.replace("\0", "")))
        except queue.Full:
            self.unkept_lines += 1

    def alive(self) -> None:
        """Something works that has nothing to say: no silence of a stall."""
        self.activity += 1

    @contextmanager
    def ending_by(self, hook: Callable[[], None]) -> Iterator[None]:
        """While inside, ``hook`` ends what the thread may be blocked on when the job must stop."""
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
        self.most_bytes = max(self.most_bytes, self.meter.raw_bytes)
        self.meter, self.metered = Meter(), True
        return self.meter

    def process_started(self, group: int, started: float) -> None:
        """Put on the row what would be an orphan if this process were killed now."""
        note_process(self.job, self.token, group, started)

    def forget_leftovers(self) -> None:
        """Nothing is left that a tick would have to remove; not ours to say after a lost lease."""
        mine = Job.objects.filter(pk=self.job.pk, fencing_token=self.token)
        mine.update(leftovers=False)

    # What an engine calls: see backups.engines.base.CopyObserver

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

    def expect(self, *, raw_bytes: int, files: int) -> None:
        """An engine knows better than the preflight how much there is to copy."""
        self.meter.raw_bytes_total, self.meter.files_total = raw_bytes, files

    # What the pulse calls

    def hold_lease_until(self, at: float) -> None:
        """From ``at`` on, by ``boot_clock``, somebody else may have the job."""
        self._lease_ends = at

    def stop(self, reason: BaseException) -> None:
        """Make ``check`` raise ``reason`` from now on, and end what blocks. First come counts."""
        with self._lock:
            if self._stop is not None:
                return
            self._stop = reason
            hooks = list(self._hooks)
        for hook in reversed(hooks):
            try:
                hook()
            except Exception:
                # The others must be ended all the same.
                logger.exception("%s: what it is blocked on could not be ended", self.job)

    @property
    def patience(self) -> float:
        """How many seconds of silence are borne at this point."""
        by_stage: Mapping[str, int] = settings.STALL_SECONDS_OF_STAGES
        return by_stage.get(self.step) or by_stage.get(self.stage) or settings.STALL_SECONDS

    @property
    def stop_reason(self) -> BaseException | None:
        return self._stop
