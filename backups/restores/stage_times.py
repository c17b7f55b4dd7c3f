"""How long did the stages of earlier recoveries take? Of each instance, and of its like.

Read from the stages of jobs, which every restore and restore test leaves. Its like are the other
instances of its engine. A constant number of queries for any number of instances.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from backups.models import Backup, Instance, Job, JobStage
from backups.restores import recovery_time
from backups.restores.recovery_time import (
    APPLY,
    REPLAY,
    REPLAY_SERVER,
    START,
    StageTime,
    Times,
)
from backups.states import Operation, StageStatus
from backups.units import format_count

# Older jobs say little about today's disks.
JOBS_ASKED = 20
# The start of a server on the restored files, by its stage.
_STARTS = ("start once", "start server", "start at moment")
_AS_THEY_ARE = (
    recovery_time.EXTRACT, recovery_time.PREPARE, recovery_time.FIND, recovery_time.CHECK,
    recovery_time.HAND_OVER,
)  # fmt: skip
_NAMES = (*_AS_THEY_ARE, *_STARTS, REPLAY, APPLY)
_RESTORES = (Operation.RESTORE, Operation.RESTORE_TEST)
_OF_ENGINE = {"mariadb_backup": "MariaDB", "clone": "MySQL"}
# So many of the newest of all instances, of which its own are none of its like.
_NEWEST = 3 * JOBS_ASKED


@dataclass(frozen=True, slots=True)
class MeasuredTimes:
    """The times to predict from, those of other instances, and whose they are in words."""

    times: Times
    like: Times = field(default_factory=dict)
    basis: str = ""


class _Counted(NamedTuple):
    """Times, and of how many restores."""

    times: Times
    restores: int


class _Restore(NamedTuple):
    """The stages of one job, by name."""

    instance: int
    stages: Mapping[str, StageTime]


class StageTimes:
    """The times of some instances and of their like, read once for all of them."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        self._own = _read_own([instance.pk for instance in instances])
        self._like = {engine: _read_newest(engine) for engine in {row.engine for row in instances}}

    def of(self, instance: Instance, *, replays: bool, starts: bool) -> MeasuredTimes:
        """Return the times to predict a restore of an instance from."""
        like = [job for job in self._like[instance.engine] if job.instance != instance.pk]
        return _choose(
            _merge(self._own[instance.pk]),
            _merge(like[:JOBS_ASKED]),
            instance,
            replays=replays,
            starts=starts,
        )


def _choose(
    own: _Counted, like: _Counted, instance: Instance, *, replays: bool, starts: bool
) -> MeasuredTimes:
    kind = _OF_ENGINE.get(instance.engine, instance.engine)
    of_like = f"{format_count(like.restores, 'restore')} of its like, other instances of {kind}"
    lacking = recovery_time.missing(own.times, replays=replays, starts=starts)
    if not own.times:
        return MeasuredTimes(like.times, {}, f"from {of_like}")
    basis = f"from {format_count(own.restores, 'restore')} of this instance"
    found = {name: like.times[name] for name in lacking if like.times.get(name)}
    if found:
        basis += f"; {', '.join(found)} from {of_like}"
    return MeasuredTimes({**own.times, **found}, like.times, basis)


def _read_own(ids: Sequence[int]) -> Mapping[int, Sequence[_Restore]]:
    """Read the newest restores of each of these instances."""
    number = Window(RowNumber(), partition_by="instance", order_by=F("id").desc())
    jobs = _restores().filter(instance__in=ids).annotate(number=number)
    own: defaultdict[int, list[_Restore]] = defaultdict(list)
    for restore in _read(jobs.filter(number__lte=JOBS_ASKED).order_by()):
        own[restore.instance].append(restore)
    return own


def _read_newest(engine: str) -> Sequence[_Restore]:
    newest = _restores().filter(engine=engine).order_by("-id")
    # Twice over: a limit inside another query is not every database's.
    return _read(Job.objects.filter(pk__in=list(newest.values_list("pk", flat=True)[:_NEWEST])))


def _restores() -> QuerySet[Job]:
    # Not only those that succeeded: a stage that did was measured.
    return Job.objects.filter(operation__in=_RESTORES, started_at__isnull=False)


def _read(jobs: QuerySet[Job]) -> list[_Restore]:
    """Read the stages of these jobs, the newest job first."""
    rows = JobStage.objects.filter(
        job__in=jobs.values("pk"), name__in=_NAMES, status=StageStatus.SUCCEEDED
    )
    columns = rows.order_by("-job", "position").values_list(
        "job", "job__instance", "name", "started_at", "ended_at", "bytes_done",
        "job__backup__raw_bytes", "job__backup__restored_bytes", "job__backup__facts__last_lsn",
        "job__backup__to_lsn", "job__backup__facts__redo_bytes", "job__backup__base",
    )  # fmt: skip
    owners: dict[int, int] = {}
    by_job: defaultdict[int, dict[str, StageTime]] = defaultdict(dict)
    for job, instance, name, started, ended, moved, raw, restored, *redo in columns:
        if started is None or ended is None:
            continue
        seconds, owners[job] = (ended - started).total_seconds(), instance
        by_job[job][name] = StageTime(name, seconds, moved, restored or raw or 0, _redo(*redo))
    return [_Restore(owners[job], stages) for job, stages in by_job.items()]


def _merge(restores: Sequence[_Restore]) -> _Counted:
    return _Counted(_by_stage(restore.stages for restore in restores), len(restores))


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


def redo_bytes(backup: Backup) -> int | None:
    """Return how long the redo log of a backup is; None is unknown, as for a chain."""
    facts = backup.facts
    return _redo(facts.get("last_lsn"), backup.to_lsn, facts.get("redo_bytes"), backup.base_id)


def _redo(last_lsn: object, to_lsn: object, copied: object, base: object) -> int | None:
    """The facts of a backup are read back from its manifest: whatever is no number is unknown."""
    if base is not None:
        return None
    if isinstance(copied, int) and copied > 0:
        return copied
    if isinstance(last_lsn, int) and isinstance(to_lsn, int) and last_lsn > to_lsn:
        return last_lsn - to_lsn
    return None
