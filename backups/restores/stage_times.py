"""How long did the stages of earlier recoveries take? Of one instance, or of its product.

Read from the stages of jobs, which every restore and restore test leaves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db.models import Q

from backups.models import Instance, Job, JobStage
from backups.restores import recovery_time
from backups.restores.recovery_time import APPLY, REPLAY, REPLAY_SERVER, START, StageTime
from backups.states import Operation, StageStatus

# Older jobs say little about today's disks.
JOBS_ASKED = 20
# The start of a server on the restored files, by its stage.
_STARTS = ("start once", "start server", "start at moment")
_AS_THEY_ARE = (
    recovery_time.EXTRACT, recovery_time.PREPARE, recovery_time.FIND, recovery_time.CHECK,
    recovery_time.HAND_OVER,
)  # fmt: skip
_NAMES = (*_AS_THEY_ARE, *_STARTS, REPLAY, APPLY)
Times = Mapping[str, Sequence[StageTime]]


class MeasuredTimes(NamedTuple):
    """The times, and whose they are in words."""

    times: Times
    basis: str


def measured_times(instance: Instance, *, replays: bool, starts: bool) -> MeasuredTimes:
    """Return what was measured of an instance; what it lacks, of others of its product."""
    own = times_of(Q(instance=instance.pk))
    lacking = recovery_time.missing(own, replays=replays, starts=starts)
    if not lacking:
        return MeasuredTimes(own, "its own restores and drills")
    others = times_of(Q(engine=instance.engine) & ~Q(instance=instance.pk))
    if not own:
        return MeasuredTimes(others, "restores of other instances")
    filled = {**own, **{name: others[name] for name in lacking if others.get(name)}}
    return MeasuredTimes(filled, "its own restores, and others'")


def times_of(which: Q) -> Times:
    """Return the times of the newest restores and restore tests among some jobs, by stage."""
    # Not only of those that succeeded: a stage that did was measured.
    jobs = Job.objects.filter(
        which, operation__in=(Operation.RESTORE, Operation.RESTORE_TEST), started_at__isnull=False
    )
    newest = jobs.order_by("-id").values("pk")[:JOBS_ASKED]
    rows = JobStage.objects.filter(
        job__in=newest,
        name__in=_NAMES,
        status=StageStatus.SUCCEEDED,
    )
    columns = rows.order_by("-job", "position").values_list(
        "job", "name", "started_at", "ended_at", "bytes_done", "job__backup__raw_bytes",
        "job__backup__restored_bytes",
    )  # fmt: skip
    by_job: defaultdict[int, dict[str, StageTime]] = defaultdict(dict)
    for job, name, started, ended, moved, raw, restored in columns:
        if started is None or ended is None:
            continue
        seconds = (ended - started).total_seconds()
        by_job[job][name] = StageTime(name, seconds, moved, restored or raw or 0)
    return _by_stage(by_job.values())


def _by_stage(jobs: Iterable[Mapping[str, StageTime]]) -> Times:
    found: defaultdict[str, list[StageTime]] = defaultdict(list)
    for stages in jobs:
        for name in _AS_THEY_ARE:
            if name in stages:
                found[name].append(stages[name])
        for name in _STARTS:
            if name in stages:
                at = stages[name]
                found[START].append(StageTime(START, at.seconds, 0, at.size))
        if APPLY in stages and REPLAY in stages:
            whole, apply = stages[REPLAY], stages[APPLY]
            found[APPLY].append(StageTime(APPLY, apply.seconds, whole.moved_bytes, whole.size))
            rest = max(whole.seconds - apply.seconds, 0.0)
            found[REPLAY_SERVER].append(StageTime(REPLAY_SERVER, rest, 0, whole.size))
    return dict(found)
