"""Which repositories does the form of an instance's backup offer, and which are selected?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backups.exceptions import BadInput
from backups.jobs.destinations import Destinations, default_destinations
from backups.models import BackupSchedule, Instance, Repository
from monitor.selectors.repositories import list_enabled


@dataclass(frozen=True, slots=True)
class Destination:
    """An enabled repository, and whether the backup usually goes there."""

    repository: Repository
    selected: bool


@dataclass(frozen=True, slots=True)
class DestinationChoice:
    """What the form shows before the backup is requested."""

    choices: Sequence[Destination]
    # The schedule whose repositories are selected; blank if none is.
    schedule: str

    @property
    def selected(self) -> list[Repository]:
        return [choice.repository for choice in self.choices if choice.selected]


def load_destinations(
    instance: Instance, schedules: Sequence[BackupSchedule] | None = None
) -> DestinationChoice:
    """Load the enabled repositories; none is selected where no default exists."""
    try:
        usual = default_destinations(instance, schedules=schedules)
    except BadInput:
        usual = Destinations([])
    numbers = {repository.pk for repository in usual.repositories}
    choices = [Destination(enabled, enabled.pk in numbers) for enabled in list_enabled()]
    return DestinationChoice(choices, usual.schedule)
