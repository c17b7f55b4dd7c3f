"""What is shown at the top of an instance's page: its server, schedules and protection?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backups.catalog.facts import details_of
from backups.checks import Verdict
from backups.health.protection_facts import next_run, restorable_backups, schedules_of
from backups.health.protection_rows import judge_one
from backups.health.spread import SpreadAnswer
from backups.health.spread_rows import spread_of
from backups.models import Backup, BackupSchedule, Instance, Job
from backups.models.job import WITHOUT_RESULT
from backups.programs.compatibility import (
    MYSQL,
    Compatibility,
    can_back_up,
    mysql_name,
    parse_version,
)
from backups.protection import Protection
from backups.states import BackupKind, JobStatus, Operation
from monitor.selectors.backup_facts import EngineFact, engine_facts
from monitor.selectors.forecasts import Forecasts, forecasts_of_instance
from monitor.selectors.pace import pace_in_words

# Facts about the server, from the newest full backup; the others are about the backup.
_OF_THE_SERVER = frozenset({"Page size", "Server UUID"})
_WORDS = {
    Verdict.OK: ("supported", "yes"),
    Verdict.WARNING: ("warning", "with care"),
    Verdict.FAILED: ("unsupported", "no"),
    Verdict.UNKNOWN: ("unknown", "unknown"),
}


@dataclass(frozen=True, slots=True)
class InstanceHeader:
    """The top of the page of an instance."""

    protection: Protection
    schedules: Sequence[BackupSchedule]
    # Whether its engine supports this server; None while the server is unknown.
    ruling: Compatibility | None
    series: str
    last_full: Backup | None
    last_failed: Job | None
    facts: Sequence[EngineFact]
    # By schedule.
    forecasts: Forecasts
    # Of 3-2-1-1-0.
    spread: Sequence[SpreadAnswer]
    # What a backup of it keeps to.
    pace: str

    @property
    def next_run_at(self) -> datetime | None:
        return next_run(self.schedules)

    @property
    def ruling_tone(self) -> str:
        return _WORDS[self.ruling.verdict][0] if self.ruling else "unknown"

    @property
    def ruling_word(self) -> str:
        return _WORDS[self.ruling.verdict][1] if self.ruling else "unknown"


def load_instance_header(instance: Instance, now: datetime) -> InstanceHeader:
    """Load it, with the protection evaluated at this moment."""
    version = parse_version(instance.version)
    last_full = restorable_backups().filter(instance=instance, kind=BackupKind.FULL).first()
    schedules = schedules_of([instance.pk])
    failed = Job.objects.filter(
        instance=instance,
        operation=Operation.BACKUP,
        status__in=(JobStatus.FAILED, JobStatus.REFUSED),
    ).exclude(WITHOUT_RESULT)
    facts = engine_facts(details_of(last_full)) if last_full else []
    return InstanceHeader(
        protection=judge_one(instance, schedules, now),
        schedules=schedules[instance.pk],
        forecasts=forecasts_of_instance(instance, schedules[instance.pk], now),
        ruling=can_back_up(instance.engine, instance.flavour, version) if version else None,
        series=_series(instance),
        last_full=last_full,
        last_failed=failed.order_by("-id").first(),
        spread=spread_of([instance], now, schedules)[instance.pk],
        pace=pace_in_words(instance),
        facts=[fact for fact in facts if fact.name in _OF_THE_SERVER],
    )


def _series(instance: Instance) -> str:
    version = parse_version(instance.version)
    if version is None:
        return ""
    if instance.flavour == MYSQL:
        return mysql_name(version).partition("(")[2].rstrip(")") or "8.0, ended"
    return version.series_name
