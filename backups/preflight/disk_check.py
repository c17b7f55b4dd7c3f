"""Is a repository outside the data folder of the instance, and on another disk?

Pure: what is not known of this host's disks gives no check.
"""

from __future__ import annotations

from collections.abc import Sequence

from backups.checks import Check, Verdict
from backups.instances.data_folder import HINT, why_nested
from backups.preflight.survey import RepositorySurvey
from backups.repositories.disks import are_nested


def check_disk(
    repository: RepositorySurvey, instance: str, folders: Sequence[str], device: int | None
) -> list[Check]:
    """Check a repository against the folders of an instance on this host."""
    name = f"disk of {repository.name}"
    for folder in folders if repository.folder else ():
        if are_nested(repository.folder, folder):
            nesting = why_nested(repository.folder, folder, instance)
            return [Check(name, Verdict.FAILED, nesting, HINT)]
    if device is None or device != repository.device:
        return []
    return [
        Check(
            name,
            Verdict.WARNING,
            "it shares a disk with what it protects",
            "Add a repository on another disk: a fault of this one would take both.",
        )
    ]
