"""Which repositories does a backup go to if its request names none?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from backups.exceptions import BadInput
from backups.health.protection_facts import schedules_of
from backups.models import BackupSchedule, Instance, Repository
from backups.models.catalog import Origin
from backups.states import BackupKind

NOT_PLANNED = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Destinations:
    """The repositories, and the schedule that uses them; blank: it is the only enabled one."""

    repositories: Sequence[Repository]
    schedule: str = ""


def default_destinations(
    instance: Instance,
    kind: str = BackupKind.FULL,
    schedules: Sequence[BackupSchedule] | None = None,
) -> Destinations:
    """Return where a backup of the instance usually goes; ``schedules`` if they are known.

    That is where the enabled schedule that covers it stores its backups: of several the one of
    this kind whose next run is due first. Without a schedule it is the only enabled repository,
    or BadInput.
    """
    if schedules is None:
        schedules = schedules_of([instance.pk])[instance.pk]
    managed = [schedule for schedule in schedules if schedule.origin == Origin.MANAGED]
    if not managed:
        return Destinations([only_repository()])
    first = min(
        managed,
        key=lambda candidate: (
            candidate.kind != kind and kind not in candidate.kinds,
            candidate.next_due_at or NOT_PLANNED,
            candidate.name,
        ),
    )
    return Destinations(destinations_of(first), first.name)


def destinations_of(schedule: BackupSchedule) -> list[Repository]:
    """Return the repositories of a schedule's backups: its own, or the only enabled one."""
    return list(schedule.repositories.order_by("id")) or [only_repository()]


def only_repository() -> Repository:
    """Return the only enabled repository, or raise BadInput if there are several or none."""
    enabled = list(Repository.objects.filter(enabled=True)[:2])
    if len(enabled) != 1:
        raise BadInput(
            "no repository named, and " + ("several are enabled" if enabled else "none is enabled"),
            hint="Name one with --repository, or add one with addrepository.",
        )
    return enabled[0]
