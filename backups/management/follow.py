"""How does a person at a terminal watch a job, and what does a script get at its end?"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils.timezone import now
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
)
from rich.table import Table

from backups.executor.execute import execute
from backups.jobs.waiting import explain_waiting
from backups.management.output import DONE, FAILED, REFUSED, WITH_PROBLEMS, Answer, table
from backups.models import Job
from backups.states import ACTIVE_JOB_STATUSES, JobStatus, StageStatus
from backups.transitions.jobs import JobOutcome, end
from backups.units import format_bytes, format_duration

POLL_SECONDS = 0.5
_EXIT_CODES = {JobStatus.SUCCEEDED: DONE, JobStatus.REFUSED: REFUSED}
# Without a worker a job stays queued: say so after this time.
PATIENCE = timedelta(seconds=10)
# A host shutdown, a script's time-out, a closed terminal.
ENDING = (signal.SIGTERM, signal.SIGHUP)


def run_and_follow(job: Job, console: Console, *, foreground: bool) -> Answer:
    """Run ``job`` here, or wait for a worker to; show progress and return how it ended."""
    if foreground:
        _run_here(job, console)
    else:
        _watch(job.pk, console, threading.Event())
    job.refresh_from_db()
    return answer_for(job)


def answer_for(job: Job) -> Answer:
    """Return the outcome of a job for people and for scripts."""
    exit_code = _EXIT_CODES.get(JobStatus(job.status), FAILED)
    if job.exit_words:
        exit_code = WITH_PROBLEMS
    ended = job.exit_words or job.get_status_display().lower()
    shown: list[Any] = [stage_table(job), f"{job} {ended}"]
    if job.kind_reason:
        shown.append(f"{job.get_kind_display().lower()} backup: {job.kind_reason}")
    shown += [f"problem: {problem}" for problem in job.problems.splitlines()]
    if job.error:
        shown += [f"error: {job.error}", *([f"HINT: {job.hint}"] if job.hint else [])]
    return Answer(fields=job_fields(job), shown=shown, exit_code=exit_code)


def job_fields(job: Job) -> dict[str, object]:
    """Return a job as JSON fields."""
    return {
        "job": job.pk,
        "operation": job.operation,
        "instance": job.instance.name,
        "status": job.status,
        "kind": job.kind,
        "kind_reason": job.kind_reason,
        # Of what it makes, or of what it works on.
        "label": job.label or (job.backup.label if job.backup else ""),
        "error": job.error,
        "hint": job.hint,
        "problems": job.problems.splitlines(),
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "lock_time": job.lock_time,
        "stages": [
            {
                "name": stage.name,
                "status": stage.status,
                "run_time": stage.run_time(now()),
                "bytes": stage.bytes_done,
                "lock_time": stage.lock_time,
                "detail": stage.detail,
            }
            for stage in job.stages.order_by("position")
        ],
    }


def stage_table(job: Job) -> Table:
    """Draw the stages of a job, sub-operations of the engine below their stage."""
    rows = [
        (
            ("  " if stage.parent_id else "") + stage.name,
            stage.get_status_display().lower(),
            format_duration(stage.run_time(now())) if stage.started_at else "",
            format_bytes(stage.bytes_done) if stage.bytes_done else "",
            format_duration(stage.lock_time) if stage.lock_time is not None else "",
            stage.detail,
        )
        for stage in job.stages.order_by("position")
    ]
    return table(
        ("stage", "status", "time", "bytes", "locked", "detail"), rows, right="time,bytes,locked"
    )


def _run_here(job: Job, console: Console) -> None:
    """Run in this thread, watch from another: signals and engines need the main thread."""
    over = threading.Event()

    def watch() -> None:
        try:
            _watch(job.pk, console, over)
        finally:
            connection.close()

    watcher = threading.Thread(target=watch, name="follow", daemon=True)
    watcher.start()
    try:
        # By then the job has ended in order, and its row has the reason.
        with _ended_by_signals(), suppress(SystemExit):
            if not execute(job) and not _gave_up(job):
                # A worker has claimed it in the meantime.
                watcher.join()
    finally:
        over.set()
        watcher.join()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let TERM and HUP end a job as a worker's shutdown does, instead of killing it.

    A signal that is ignored, as under nohup, stays ignored.
    """

    def end_here(number: int, _: object) -> None:
        # Only once: a second signal would interrupt the clean-up.
        for handled in signals:
            signal.signal(handled, signal.SIG_IGN)
        raise SystemExit(128 + number)

    # Python takes signals in its main thread only.
    ours = threading.current_thread() is threading.main_thread()
    signals = [
        number for number in ENDING if ours and signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, end_here) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _gave_up(job: Job) -> bool:
    """End a job that is not yet allowed to start: in the foreground it cannot be queued.

    Return False if it is no longer pending.
    """
    job.refresh_from_db()
    if job.status != JobStatus.PENDING:
        return False
    waiting = explain_waiting([job]).get(job.pk)
    reason = waiting.reason if waiting else "is claimed by another process"
    outcome = JobOutcome(
        error=f"refused: the job {reason}",
        hint="Wait, cancel the other job, or leave out --foreground to queue it.",
    )
    return end(job, JobStatus.REFUSED, now=now(), outcome=outcome, actor="command line")


def _watch(job_id: int, console: Console, over: threading.Event) -> None:
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TextColumn("{task.fields[figures]}"),
        console=console,
        transient=True,
    ) as progress:
        progress.add_task("waiting for a worker", total=None, figures="")
        requested_at, warned = now(), False
        while not over.is_set():
            job = Job.objects.get(pk=job_id)
            if job.status not in ACTIVE_JOB_STATUSES:
                return
            if job.status == JobStatus.PENDING and not warned and now() - requested_at > PATIENCE:
                warned = True
                progress.console.print(_why_pending(job))
            draw(progress, job)
            over.wait(POLL_SECONDS)


def _why_pending(job: Job) -> str:
    if job.waits_for and (waiting := explain_waiting([job]).get(job.pk)):
        return f"the job {waiting}"
    return "no worker has claimed the job yet: check that ./mooring up is running"


def draw(progress: Progress, job: Job) -> None:
    """Show a running job as its row has it: a total or a rate that is unknown stays unknown."""
    stage = job.stages.filter(status=StageStatus.RUNNING).order_by("-position").first()
    if stage is None:
        return
    (shown,) = progress.tasks
    if shown.description != stage.name or (job.bytes_total is None and shown.total is not None):
        # The total of a bar can be changed, and not be taken away.
        progress.remove_task(shown.id)
        progress.add_task(stage.name, total=job.bytes_total, figures="")
    progress.update(
        progress.task_ids[0],
        completed=job.bytes_done,
        total=job.bytes_total,
        figures=_figures(job),
    )


def _figures(job: Job) -> str:
    """Return percent, rate and time left, as far as they are known."""
    parts = []
    if job.bytes_total:
        parts.append(f"{min(99, job.bytes_done * 100 // job.bytes_total)} %")
    if job.rate_bytes_per_s is not None:
        parts.append(f"{format_bytes(job.rate_bytes_per_s)}/s")
    left = job.time_left()
    parts.append("time left unknown" if left is None else f"{format_duration(left)} left")
    return " · ".join(parts)
