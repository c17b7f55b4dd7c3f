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
