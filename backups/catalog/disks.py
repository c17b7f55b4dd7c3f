"""On which disks and mounts are the repositories, and the data folders of this host?

Both are looked up together, by a tick: a restart of the host may renumber its devices, and no
page waits for a disk.
"""

from __future__ import annotations

from collections.abc import Collection

from backups.access import medium_of
from backups.exceptions import MooringError
from backups.models import Instance, Repository
from backups.models.instance import RunnerKind
from backups.models.repository import RepositoryKind
from backups.repositories.disks import device_of

MEDIUM_LENGTH = 300


def note_disks(present: Collection[int]) -> None:
    """Store the devices. Of a repository that is not ``present``, only a mount point is there."""
    for repository in Repository.objects.filter(kind=RepositoryKind.DIRECTORY):
        device = device_of(repository.path) if repository.pk in present else None
        if device != repository.device:
            Repository.objects.filter(pk=repository.pk).update(device=device)
    for repository in Repository.objects.filter(pk__in=present):
        note_medium(repository)
    for instance in Instance.objects.exclude(data_folder="").exclude(runner=RunnerKind.SSH):
        device = device_of(instance.data_folder)
        if device != instance.data_device:
            Instance.objects.filter(pk=instance.pk).update(data_device=device)


def note_medium(repository: Repository) -> None:
    """Store what a repository is on, on its row; what cannot be found out now stays."""
    try:
        medium = medium_of(repository)[:MEDIUM_LENGTH]
    except MooringError:
        return
    if medium != repository.medium:
        repository.medium = medium
        Repository.objects.filter(pk=repository.pk).update(medium=medium)
