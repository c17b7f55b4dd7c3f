"""With which command are the objects of a backup fetched from an object store into a folder?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from backups.models import Repository
from backups.models.repository import RepositoryKind
from backups.repositories.layout import IDENTITY_NAME


def fetch_command(repository: Repository, folders: Sequence[str], target: str) -> str:
    """Return the command of the cloud's own tool; files get the names of the objects."""
    if repository.kind == RepositoryKind.AZURE:
        return _of_azure(repository, folders, target)
    if repository.kind == RepositoryKind.GCS:
        return _of_google(repository, folders, target)
    words = ["aws", "s3", "sync", repository.path, target, "--exclude", "*"]
    for name in (IDENTITY_NAME, *(f"{folder}/*" for folder in folders)):
        words += ["--include", name]
    if repository.endpoint:
        words += ["--endpoint-url", repository.endpoint]
    return shlex.join(words)


def _of_azure(repository: Repository, folders: Sequence[str], target: str) -> str:
    place = repository.bucket_place(repository.path)
    below = f"{place.url}/{place.bucket}/{place.key('*')}"
    wanted = ";".join((IDENTITY_NAME, *folders))
    return shlex.join(["azcopy", "copy", below, target, "--recursive", "--include-path", wanted])


def _of_google(repository: Repository, folders: Sequence[str], target: str) -> str:
    """Return one command of several: the tool has no list of what to include."""
    copies = [["gcloud", "storage", "cp", f"{repository.path}/{IDENTITY_NAME}", f"{target}/"]]
    for folder in folders:
        into = f"{target}/{folder}"
        copies.append(["mkdir", "-p", into])
        copies.append(["gcloud", "storage", "rsync", "-r", f"{repository.path}/{folder}", into])
    return " && ".join(shlex.join(words) for words in copies)
