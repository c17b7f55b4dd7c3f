"""Which hooks do jobs still owe whose workers died, and who runs them?

An after hook undoes what a before hook did, so it runs however its job ended: if the worker could
not run it, the tick of its host does once the job has ended, or the next job of the same instance
that has hooks, before its own. One process at a time does: who dies in between leaves it open, and
it runs again. What could not even begin is tried again for a day.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

from django.conf import settings
from django.db import Error
from django.db.models import Q, QuerySet
from django.utils.timezone import now

from backups.exceptions import BadInput, Stopped
from backups.hooks.definition import Hook, HookResult
from backups.hooks.hooks_file import load_hooks
from backups.hooks.rows import ended_with, unable_with
from backups.hooks.run import run_hook
from backups.hooks.variables import HookMoment
from backups.models import HookRun, Instance, Job, JobLogLine, JobStage
from backups.models.job import LogLevel
from backups.runners.groups import end_group
from backups.states import TERMINAL_JOB_STATUSES, HookTime, JobStatus

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
# How long what could not even begin waits for the next try, and is tried at all.
RETRY_AFTER = timedelta(minutes=1)
GIVE_UP_AFTER = timedelta(days=1)


def owed_here(instance: Instance | None = None) -> QuerySet[HookRun]:
    """Return the open hooks of ended jobs of this host."""
    rows = HookRun.objects.filter(
        open=True, host=socket.gethostname(), job__status__in=TERMINAL_JOB_STATUSES
    )
    return rows.filter(job__instance=instance) if instance is not None else rows


def run_owed(*, instance: Instance | None = None, check: Callable[[], None] | None = None) -> int:
    """Run what is owed; return how many hooks were.

    With ``check`` another process that does so is waited for, and BadInput says why the hooks file
    cannot be used; without, it is left to that one, and what could not begin is tried again later.
    """
    if not owed_here(instance).exists():
        return 0
    with _turn(check) as mine:
        if not mine:
            return 0
        try:
            hooks = _load_present()
        except BadInput as exc:
            if check is not None:
                raise
            logger.warning(
                "hooks of lost jobs not run, retrying later: %s",
                exc,
                extra={"action": "owed_hooks_kept"},
            )
            for row in owed_here():
                _keep(row, HookResult(str(exc), began=False))
            return 0
        rows = owed_here(instance) if check is not None else _due()
        return sum(_settle_alone(row, hooks, check) for row in list(_in_order(rows)))


def _load_present() -> dict[str, Hook]:
    # Its disk may not be mounted yet. Whoever wants them forgotten leaves an empty file.
    if not settings.HOOKS_FILE.exists():
        raise BadInput(f"{settings.HOOKS_FILE} is missing, and hooks of lost jobs are open")
    return {hook.name: hook for hook in load_hooks(settings.HOOKS_FILE)}


def _due() -> QuerySet[HookRun]:
    """Return what the tick runs now.

    What could not begin waits a minute, and until no job with hooks runs on its instance: that
    would be undone as well.
    """
    busy = HookRun.objects.filter(job__status=JobStatus.RUNNING).values("job__instance")
    unable = Q(unable_since__isnull=False)
    waits = unable & (Q(started_at__gt=now() - RETRY_AFTER) | Q(job__instance__in=busy))
    return owed_here().exclude(waits)


def _settle_alone(row: HookRun, hooks: dict[str, Hook], check: Callable[[], None] | None) -> bool:
    """Settle a row; one that cannot be settled holds up no other."""
    try:
        return _settle(row, hooks, check)
    except Stopped:
        raise
    except Exception as exc:
        logger.exception("%s cannot be run", row, extra={"action": "owed_hook_failed"})
        with contextlib.suppress(Error):
            _keep(row, HookResult(f"could not be run: unexpected {type(exc).__name__}"))
        return False


def _in_order(rows: QuerySet[HookRun]) -> QuerySet[HookRun]:
    related = ("job__instance", "job__backup", "job__copy__repository", "job__occurrence__schedule")
    return rows.select_related(*related).order_by("job", "position")


def _settle(row: HookRun, hooks: dict[str, Hook], check: Callable[[], None] | None) -> bool:
    """Run a hook, or close its row if it is not to run; return whether it ran."""
    job = row.job
    if job.process_group is not None and job.process_started_at is not None:
        # What a dead worker's hook had started may still be there.
        end_group(job.process_group, job.process_started_at)
    if not row.is_after:
        _close(row, HookResult("its worker ended while it ran"))
        return False
    hook = hooks.get(row.name)
    if hook is None:
        _close(row, HookResult("did not run: it is no longer in the hooks file"))
        return False
    result = JobStatus(job.status)
    if not hook.runs_after(result) or not _was_reached(row):
        HookRun.objects.filter(pk=row.pk).update(open=False)
        return False
    ended = _run(row, hook, OwedWatch(job, hook, check))
    logger.info(
        "%s: hook %s of a job that ended %s: %s",
        job,
        hook.name,
        result,
        ended.problem or ended.found,
        extra={"action": "owed_hook_run", "job_id": job.pk},
    )
    return ended.began


def _run(row: HookRun, hook: Hook, watch: OwedWatch) -> HookResult:
    job = row.job
    HookRun.objects.filter(pk=row.pk).update(started_at=now())
    moment = HookMoment(JobStatus(job.status), job.error, job.bytes_done)
    ended = run_hook(hook, job, moment, watch)
    if ended.began:
        _close(row, ended)
    else:
        _keep(row, ended)
    # What fails as before says nothing new.
    if ended.problem and ended.problem != row.problem:
        watch.log(f"{hook.name}: {ended.problem}", LogLevel.WARNING)
    return ended


def _was_reached(row: HookRun) -> bool:
    """Whether what a hook undoes had begun: one after the copy needs the copy, or one before it."""
    if row.when != HookTime.AFTER_COPY:
        return True
    earlier = HookRun.objects.filter(job=row.job, when=HookTime.BEFORE_COPY)
    copy = JobStage.objects.filter(job=row.job, name="copy")
    return any(rows.exclude(started_at=None).exists() for rows in (earlier, copy))


def _keep(row: HookRun, ended: HookResult) -> None:
    """Leave a hook that could not begin open, for a day at most."""
    if row.unable_since is not None and now() - row.unable_since >= GIVE_UP_AFTER:
        _close(row, replace(ended, problem=f"{ended.problem}; given up after a day"))
    else:
        HookRun.objects.filter(pk=row.pk).update(**unable_with(row, ended))


def _close(row: HookRun, ended: HookResult) -> None:
    HookRun.objects.filter(pk=row.pk).update(**ended_with(ended))


@contextlib.contextmanager
def _turn(check: Callable[[], None] | None) -> Iterator[bool]:
    """Hold the right to run owed hooks of this host; it ends with the process that holds it."""
    lock = os.open(settings.HOME / "hooks.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _take(lock, check)
    finally:
        os.close(lock)


def _take(lock: int, check: Callable[[], None] | None) -> bool:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if check is None:
                return False
            check()
            time.sleep(LOOK_SECONDS)
        else:
            return True


class OwedWatch:
    """Follows a hook whose job has ended: its output still belongs into that job's log."""

    def __init__(self, job: Job, hook: Hook, check: Callable[[], None] | None) -> None:
        self._job, self._hook, self._check = job, hook, check

    def log(self, text: str, level: str = LogLevel.INFO) -> None:
        JobLogLine.objects.create(
            job=self._job,
            logged_at=now(),
            level=level,
            source=self._hook.name,
            text=text.replace("\0", ""),
        )

    def started(self, group: int, started: float) -> None:
        """Record it where a later try looks for what this one left."""
        Job.objects.filter(pk=self._job.pk).update(process_group=group, process_started_at=started)

    def check(self) -> None:
        if self._check is not None:
            self._check()
