"""Which repositories can a backup not go to, as found before it starts? It goes to the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backups.checks import Check, failed
from backups.exceptions import MooringError
from backups.preflight.checks import (
    check_full_rooms,
    checks_of_repositories,
    refuse_if_failed,
)
from backups.preflight.survey import Survey
from backups.running.run import Run
from backups.stages.backup.work import BackupWork


def leave_unfit(run: Run, work: BackupWork, survey: Survey) -> None:
    """Leave those that cannot be used; Refused where no other is left."""
    _leave(run, work, checks_of_repositories(survey))


def leave_short_of_room(run: Run, work: BackupWork, survey: Survey) -> None:
    """Leave those without room for a full backup; Refused where no other is left."""
    _leave(run, work, check_full_rooms(survey))


def checks_of_others(survey: Survey, checks: Sequence[Check]) -> list[Check]:
    """Return the checks that are not about one repository alone."""
    about_one = [check for each in checks_of_repositories(survey).values() for check in each]
    return [check for check in checks if check not in about_one]


def _leave(run: Run, work: BackupWork, checks: Mapping[str, Sequence[Check]]) -> None:
    for repository in list(work.repositories):
        try:
            refuse_if_failed(failed(checks.get(repository.name, ())))
        except MooringError as exc:
            work.leave(run, repository, exc)
