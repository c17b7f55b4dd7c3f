"""Is the data folder of an instance on this host, and is no repository inside it?

Commands of the local runner run on this host, so the files that they read are here. An engine
without a runner needs none: there, an address of this host and its name say the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from backups.engines import engine_named
from backups.exceptions import Refused
from backups.instances.connection import is_this_host
from backups.instances.facts import ServerFacts
from backups.models import Instance, Repository
from backups.models.instance import RunnerKind
from backups.models.repository import RepositoryKind
from backups.repositories.disks import are_nested, device_of, real_path

HINT = (
    "Choose a folder outside the data folder, best on another disk: a fault of this one would "
    "take the backups with the data."
)


def data_folders_here(instance: Instance, facts: ServerFacts) -> tuple[str, ...]:
    """Return its folders, the data folder first, links resolved; none if on another host."""
    if not facts.datadir or not _is_here(instance, facts):
        return ()
    folders = (facts.datadir, *facts.innodb_folders)
    # A relative one is below the data folder.
    return tuple(os.path.realpath(os.path.join(facts.datadir, folder)) for folder in folders)


def note_data_folder(instance: Instance, facts: ServerFacts) -> None:
    """Set folder and device on the row, which the caller saves."""
    folder = next(iter(data_folders_here(instance, facts)), "")
    instance.data_folder, instance.data_device = folder, device_of(folder) if folder else None


def refuse_nested_repository(path: str) -> None:
    """Raise Refused if a new repository would be in the data folder of an instance."""
    real = real_path(path)
    for instance in Instance.objects.exclude(data_folder=""):
        if are_nested(real, instance.data_folder):
            raise Refused(why_nested(path, instance.data_folder, instance.name), hint=HINT)


def refuse_instance_around(instance: Instance, facts: ServerFacts) -> None:
    """Raise Refused if a repository is in the data folder of a new instance."""
    folders = data_folders_here(instance, facts)
    stored_here = Repository.objects.filter(kind=RepositoryKind.DIRECTORY)
    for repository in stored_here if folders else ():
        real = real_path(repository.path)
        for folder in folders:
            if are_nested(real, folder):
                nesting = why_nested(repository.path, folder, instance.name)
                raise Refused(f"repository {repository}: {nesting}", hint=HINT)


def find_nested(repositories: Iterable[Repository], instances: Iterable[Instance]) -> str:
    """Return which repository is in the data folder of which instance, by their rows alone."""
    folders = [
        (instance.name, instance.data_folder) for instance in instances if instance.data_folder
    ]
    for repository in repositories:
        for name, folder in folders if repository.is_folder else ():
            if are_nested(repository.path, folder):
                return why_nested(repository.path, folder, name)
    return ""


def why_nested(path: str, folder: str, name: str) -> str:
    return f"{path} and the data folder of {name}, {folder}, are inside one another"


def _is_here(instance: Instance, facts: ServerFacts) -> bool:
    if engine_named(instance.engine).needs_host:
        return instance.runner == RunnerKind.LOCAL
    local = bool(instance.socket) or is_this_host(instance.host)
    return local and facts.hostname == os.uname().nodename
