"""How did a year of the sample fleet go? Pure: instances and a clock in, made-up runs out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from scripts.sample_instances import SampleInstance

DAYS = 365
# The night's first moment, spread over the fleet.
NIGHT_HOUR = 1
SPREAD = timedelta(hours=3)
WINDOW = timedelta(hours=4)
GRACE = timedelta(minutes=15)
# Days before today on which the fleet had a bad night, and what it was.
INCIDENTS = {
    23: ("scheduler_down", ""),
    71: ("no_worker", "no worker serves copy"),
    188: ("repository", "sample-main is not mounted"),
}
ERRORS = (
    ("connect", "cannot connect to {host}:3306: connection refused",
     "Check that the server runs and its port."),
    ("preflight", "room in sample-main: 1.2 TiB needed; 1.1 TiB are free",
     "Purge backups, or add space to the repository."),
    ("copy", "copy failed: the instance closed the connection",
     "See the server's own error log for why."),
    ("copy", "copy failed: mariadb-backup exited with 1: log copying being too slow",
     "Raise innodb_log_file_size, or back up when less is written."),
)  # fmt: skip
# How a night ends without a backup, though an attempt was made.
BAD = ("failed", "refused")
PRIVILEGE = (
    "preflight",
    "privileges: missing BACKUP_ADMIN (takes a clone)",
    "Run GRANT BACKUP_ADMIN ON *.* TO `mooring`@`10.20.0.%`;",
)


@dataclass(frozen=True, slots=True)
class Night:
    """What one night brought one instance."""

    due_at: datetime
    status: str  # of the occurrence: succeeded, failed, refused, missed
    started_at: datetime
    took: timedelta
    raw_bytes: int
    stored_bytes: int
    lock_time: timedelta | None
    reason: str = ""
    detail: str = ""
    # Failed stage, error, hint.
    fault: tuple[str, str, str] = ("", "", "")
    retried: bool = False

    @property
    def ended_at(self) -> datetime:
        return self.started_at + self.took

    @property
    def late(self) -> bool:
        return self.started_at > self.due_at + GRACE


def nights_of(instance: SampleInstance, now: datetime, position: int) -> Iterator[Night]:
    """Yield the nights of an instance, the oldest first."""
    if instance.trouble == "never":
        return
    dice = random.Random(instance.name)
    midnight = now.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    offset = timedelta(seconds=int(SPREAD.total_seconds() * position / 60))
    for days_ago in range(DAYS, -1, -1):
        due_at = midnight - timedelta(days=days_ago) + offset
        night = _night(instance, due_at, days_ago, dice)
        if night.ended_at < now:
            yield night


def _night(instance: SampleInstance, due_at: datetime, days_ago: int, dice: random.Random) -> Night:
    age = 1 - days_ago / DAYS
    size = instance.first_bytes * (1 + (instance.growth - 1) * age) * dice.uniform(0.995, 1.005)
    slower = 2.4 if instance.trouble == "slow" and days_ago < 6 else 1.0
    seconds = size / instance.bytes_per_s * dice.uniform(0.9, 1.2) * slower
    wait = timedelta(seconds=dice.uniform(1, 40))
    if dice.random() < 0.012:
        wait = timedelta(minutes=dice.uniform(20, 110))
    night = Night(
        due_at=due_at,
        status="succeeded",
        started_at=due_at + wait,
        took=timedelta(seconds=seconds),
        raw_bytes=round(size),
        stored_bytes=round(size * instance.ratio * dice.uniform(0.97, 1.03)),
        lock_time=_lock(instance, days_ago, dice),
    )
    return _spoilt(night, instance, days_ago, dice)


def _lock(instance: SampleInstance, days_ago: int, dice: random.Random) -> timedelta | None:
    if not instance.lock_seconds and instance.trouble != "lock":
        return None
    seconds = max(instance.lock_seconds, 0.2) * dice.uniform(0.6, 1.6)
    if dice.random() < 0.006 or (instance.trouble == "lock" and days_ago < 2):
        seconds = dice.uniform(14, 75)
    return timedelta(seconds=seconds)


def _spoilt(night: Night, instance: SampleInstance, days_ago: int, dice: random.Random) -> Night:
    """Return the night as it went: missed in an incident, failed now and then."""
    if days_ago in INCIDENTS and dice.random() < 0.7:
        return _missed(night, *INCIDENTS[days_ago])
    if instance.trouble == "missed" and days_ago < 2:
        return _missed(night, "previous_running", "")
    if instance.trouble == "failing" and days_ago < 4:
        return _failed(night, PRIVILEGE, dice, retried=False)
    if instance.trouble == "unreachable" and days_ago < 1:
        return _failed(night, ERRORS[0], dice, retried=False, host=instance.host)
    if dice.random() < 0.014:
        fault = dice.choice(ERRORS[:3] if instance.flavour == "mysql" else ERRORS)
        return _failed(night, fault, dice, retried=dice.random() < 0.75, host=instance.host)
    return night


def how_it_ended(stage: str) -> str:
    """Return the status of a job that did not get beyond ``stage``."""
    return "refused" if stage == "preflight" else "failed"


def _missed(night: Night, reason: str, detail: str) -> Night:
    return Night(
        night.due_at, "missed", night.due_at, timedelta(0), night.raw_bytes, 0, None, reason, detail
    )


def _failed(
    night: Night,
    fault: tuple[str, str, str],
    dice: random.Random,
    *,
    retried: bool,
    host: str = "",
) -> Night:
    """A failed night; ``retried``: the second attempt brought the backup after all."""
    stage, error, hint = fault
    fault = (stage, error.format(host=host), hint)
    if retried:
        delay = timedelta(minutes=dice.uniform(11, 25))
        return Night(
            night.due_at, "succeeded", night.started_at + delay, night.took, night.raw_bytes,
            night.stored_bytes, night.lock_time, fault=fault, retried=True,
        )  # fmt: skip
    took = night.took * (dice.uniform(0.1, 0.8) if stage == "copy" else 0.001)
    done = round(night.raw_bytes * (took / night.took)) if stage == "copy" else 0
    return Night(
        night.due_at, how_it_ended(stage), night.started_at, max(took, timedelta(seconds=1.4)),
        done, 0, None, fault=fault,
    )  # fmt: skip
