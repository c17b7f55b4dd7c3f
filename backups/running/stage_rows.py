"""How do a job's stages, and its log, get into rows?

Stages are moved by the thread that runs them; an engine reports its sub-operations in other
threads: they are queued, and written by the lease keeper.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from django.db.models import QuerySet
from django.utils.timezone import now

from backups.exceptions import LeaseLost
from backups.models import Job, JobLogLine, JobStage
from backups.models.job import LogLevel
from backups.running.run import JobLogEntry, Run, StageMove
from backups.states import StageStatus
from backups.transitions.stages import move_stage

Queued = TypeVar("Queued")


class StageRows:
    """The stage rows of one run."""

    def __init__(self, run: Run, names: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Create the rows: ``names`` are the stages, each with its engine's sub-operations.

        Stages are known by their number from 0: two of them may have the same name, and each
        has sub-operations of its own.
        """
        self._run = run
        self._stages: list[JobStage] = []
        self._children: list[dict[str, JobStage]] = []
        self._current: JobStage | None = None
        self._lock = threading.Lock()
        # Taken from the run's queues, and kept until the database has them.
        self._moves: deque[StageMove] = deque()
        self._lines: list[JobLogEntry] = []
        position = 0
        for name, children in names:
            position += 1
            parent = self._create(position, name, None)
            self._stages.append(parent)
            self._children.append({})
            for child in children:
                position += 1
                self._children[-1][child] = self._create(position, child, parent)

    def start(self, number: int, at: datetime) -> None:
        stage = self._stages[number]
        self._move(stage, StageStatus.RUNNING, at)
        self._current = stage

    def end(self, number: int, to: StageStatus, at: datetime, detail: str = "") -> None:
        """End a stage, and the sub-operations its engine left open."""
        self._current = None
        self.write_moves()
        stage = self._stages[number]
        for child in self._children[number].values():
            if child.status == StageStatus.RUNNING:
                self._move(child, to, at)
            elif child.status == StageStatus.PENDING:
                self._move(child, StageStatus.SKIPPED, at)
        if self._run.metered:
            meter = self._run.meter
            self._save_bytes(stage, meter.raw_bytes, meter.raw_bytes_total)
        self._move(stage, to, at, detail)

    def skip(self, number: int, at: datetime) -> None:
        for row in [self._stages[number], *self._children[number].values()]:
            self._move(row, StageStatus.SKIPPED, at)

    @property
    def stage_name(self) -> str:
        """The current stage; blank between two."""
        current = self._current
        return current.name if current is not None else ""

    def progress(self, done: int, total: int | None) -> None:
        """Record the progress of the current stage."""
        if (stage := self._current) is not None and self._run.metered:
            self._save_bytes(stage, done, total)

    def write_moves(self) -> None:
        """Write the changes of sub-operations that engines have reported since the last write."""
        with self._lock:
            self._moves.extend(_drain(self._run.moves))
            while self._moves:
                self._write_move(self._moves[0])
                self._moves.popleft()

    def write_lines(self) -> None:
        """Write the log lines that have arrived since the last write."""
        with self._lock:
            self._lines = self._lines or self._next_lines()
            JobLogLine.objects.bulk_create(
                JobLogLine(
                    job=self._run.job,
                    logged_at=line.at,
                    level=line.level,
                    source=line.source,
                    text=line.text,
                )
                for line in self._lines
            )
            self._lines = []

    def _next_lines(self) -> list[JobLogEntry]:
        lines = _drain(self._run.lines)
        if unkept := self._run.unkept_lines:
            self._run.unkept_lines = 0
            text = f"{unkept} lines dropped: they arrived faster than they could be written"
            lines.append(JobLogEntry(now(), "mooring", LogLevel.WARNING, text))
        return lines

    def _write_move(self, move: StageMove) -> None:
        stage = self._children[move.stage][move.name]
        if not move.ended:
            if stage.status == StageStatus.PENDING:
                self._move(stage, StageStatus.RUNNING, move.at)
            return
        if move.lock_time is not None:
            stage.lock_time = move.lock_time
            self._mine(stage).update(lock_time=move.lock_time)
            Job.objects.filter(pk=stage.job_id, fencing_token=self._run.token).update(
                lock_time=move.lock_time
            )
        if stage.status == StageStatus.RUNNING:
            self._move(stage, StageStatus.SUCCEEDED, move.at, move.detail)

    def _move(self, stage: JobStage, to: StageStatus, at: datetime, detail: str = "") -> None:
        move_stage(stage, to, now=at, detail=detail)
        if stage.status != to:
            raise LeaseLost("another process owns the job's row")

    def _create(self, position: int, name: str, parent: JobStage | None) -> JobStage:
        return JobStage.objects.create(
            job=self._run.job, position=position, name=name, parent=parent
        )

    def _save_bytes(self, stage: JobStage, done: int, total: int | None) -> None:
        stage.bytes_done, stage.bytes_total = done, total
        self._mine(stage).update(bytes_done=done, bytes_total=total)

    def _mine(self, stage: JobStage) -> QuerySet[JobStage]:
        """Return the row, unless another process owns the job by now."""
        return JobStage.objects.filter(pk=stage.pk, job__fencing_token=self._run.token)


def _drain(source: queue.Queue[Queued]) -> list[Queued]:
    taken = []
    try:
        while True:
            taken.append(source.get_nowait())
    except queue.Empty:
        return taken
