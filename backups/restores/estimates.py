"""How long should a restore take? From measurements on this site; unknown without any."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from backups.binlog_archive.recovery.from_backup import Recovery
from backups.models import Backup, BackupCopy, Evidence, Instance, Job
from backups.programs.compatibility import CLONE
from backups.restores.recovery_time import Prediction, RecoveryWork, missing, predict
from backups.restores.stage_times import StageTimes, redo_bytes
from backups.restores.target import restored_size
from backups.states import JobStatus, Operation
from backups.units import format_duration

# Older jobs say little about today's disks.
JOBS_ASKED = 10


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long it should take, and the basis of the estimate. None is unknown."""

    length: timedelta | None
    basis: str
    # From when to when, where it was predicted stage by stage.
    prediction: Prediction | None = None

    @property
    def note(self) -> str:
        """The basis, and the interval if there is one."""
        found = self.prediction
        if found is None:
            return self.basis
        if not found.is_interval:
            return f"measured once, {self.basis}"
        return f"{format_duration(found.low)} to {format_duration(found.high)}, {self.basis}"


def estimate_time(copy: BackupCopy) -> Estimate:
    """Estimate stage by stage where that gives an interval, else from the nearest measurement."""
    backup = copy.backup
    by_stages = predicted(backup.instance, backup, None)
    if by_stages.prediction is not None and by_stages.prediction.is_interval:
        return by_stages
    tests = Evidence.objects.filter(
        operation=Operation.RESTORE_TEST, passed=True, recovery_time__isnull=False
    )
    own = tests.filter(copy__backup=backup).order_by("-id").first()
    if own is not None:
        return Estimate(own.recovery_time, "measured in its own restore test")
    past = tests.filter(copy__backup__instance=backup.instance, copy__backup__raw_bytes__gt=0)
    newest = past.select_related("copy__backup").order_by("-id").first()
    size = restored_size(backup)
    if newest is not None and newest.recovery_time and size is not None:
        share = size / (restored_size(newest.copy.backup) or size or 1)
        basis = f"from the restore test of {newest.copy.backup.label}, by size"
        return Estimate(newest.recovery_time * share, basis)
    return _estimate_by_rate(copy)


def _estimate_by_rate(copy: BackupCopy) -> Estimate:
    """Estimate from the rate of past restores from the same repository."""
    done = Job.objects.filter(
        # Not restore tests: their run time includes checking every table.
        operation=Operation.RESTORE,
        status=JobStatus.SUCCEEDED,
        copy__repository=copy.repository,
        engine=copy.backup.engine,
        bytes_done__gt=0,
        started_at__isnull=False,
        ended_at__isnull=False,
    ).order_by("-id")[:JOBS_ASKED]
    taken = [(job.bytes_done, (job.ended_at - job.started_at).total_seconds())
             for job in done if job.ended_at and job.started_at]  # fmt: skip
    seconds = sum(each for _, each in taken)
    whole = restored_size(copy.backup)
    if whole is None or seconds <= 0:
        return Estimate(None, "no comparable restore has been run")
    rate = sum(size for size, _ in taken) / seconds
    basis = f"from {len(taken)} restore{'s' if len(taken) > 1 else ''} from {copy.repository}"
    return Estimate(timedelta(seconds=whole / rate), basis)


def estimate_recovery(copy: BackupCopy, recovery: Recovery) -> Estimate:
    """Estimate a restore with a replay, stage by stage."""
    return predicted(copy.backup.instance, copy.backup, recovery.bytes_total or None)


def predicted(
    instance: Instance,
    backup: Backup,
    replayed_bytes: int | None,
    times: StageTimes | None = None,
) -> Estimate:
    """Predict a restore of a backup; ``replayed_bytes`` None: nothing is replayed.

    ``times`` are those of several instances, where these were read together.
    """
    size = restored_size(backup)
    if size is None:
        return Estimate(None, "the size of the backup is unknown")
    replays = replayed_bytes is not None
    # A clone was started to be prepared; only a replay has it started once more.
    starts = replays or instance.engine != CLONE
    measured = (times or StageTimes([instance])).of(instance, replays=replays, starts=starts)
    work = RecoveryWork(size, replayed_bytes, redo_bytes(backup), starts)
    prediction = predict(measured.times, work, measured.like)
    if prediction is None:
        lacking = missing(measured.times, replays=replays, starts=starts)
        return Estimate(None, f"never measured: {', '.join(lacking)}")
    return Estimate(prediction.middle, measured.basis, prediction)
