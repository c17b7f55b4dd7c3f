"""Adds a repository, and initialises its folder if it is new or empty."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from backups.activity import record
from backups.catalog.new_repository import absolute_path, settle
from backups.exceptions import KeyUnavailable
from backups.keys.load import load_keys
from backups.management.output import Answer, MooringCommand
from backups.management.rows import refuse_invalid
from backups.models import Repository
from backups.models.activity import Verb

UNENCRYPTED = (
    "NOT encrypted: anyone who can read this folder can read every backup in it, "
    "and every row of every instance backed up to it."
)


class Command(MooringCommand):
    help = "Add a folder as a repository; a new or empty folder is initialised."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Name of the new entry.")
        parser.add_argument("--path", required=True, help="Absolute path of the folder.")
        parser.add_argument(
            "--unencrypted", action="store_true", help="Do not encrypt new backups."
        )
        parser.add_argument(
            "--whole-blocks",
            action="store_true",
            help="Store changed blocks as they are, not as differences from the full backup: "
            "where reading the repository is slow or costs money.",
        )
        parser.add_argument(
            "--max-jobs", type=int, help="Maximum number of jobs that use it at the same time."
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        repository = Repository(
            name=options["name"],
            path=absolute_path(options["path"]),
            encrypted=not options["unencrypted"],
            differences=not options["whole_blocks"],
            max_jobs=options["max_jobs"],
        )
        refuse_invalid(repository)
        adopted = settle(repository)
        with transaction.atomic():
            repository.save(force_insert=True)
            record(Verb.ADDED, repository, details={"path": repository.path, "adopted": adopted})
        return _answer(repository, adopted=adopted)


def _answer(repository: Repository, *, adopted: bool) -> Answer:
    key = _key_problem() if repository.encrypted else ""
    what = "Adopted the repository" if adopted else "Created the repository"
    shown = [f"{what} {repository.name} in {repository.path}."]
    if adopted:
        shown.append(f"Run rebuildcatalog {repository.name} to list the backups in it.")
    if not repository.encrypted:
        shown.append(UNENCRYPTED)
    if key:
        shown.append(f"Its backups will be encrypted, and there is no key yet: {key}")
    return Answer(
        {
            "name": repository.name,
            "uuid": repository.uuid,
            "path": repository.path,
            "encrypted": repository.encrypted,
            "adopted": adopted,
            "key_problem": key,
        },
        shown,
    )


def _key_problem() -> str:
    try:
        load_keys()
    except KeyUnavailable as exc:
        return f"{exc}. {exc.hint}"
    return ""
