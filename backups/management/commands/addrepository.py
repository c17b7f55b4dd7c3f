"""Adds a repository, and initialises its folder, bucket or medium if it is new or empty."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from backups.activity import record
from backups.catalog.new_repository import place_of, settle
from backups.exceptions import KeyUnavailable
from backups.keys.load import load_keys
from backups.management.output import Answer, MooringCommand
from backups.management.rows import refuse_invalid
from backups.management.secret_input import read_secret
from backups.models import Repository
from backups.models.activity import Verb
from backups.models.object_store import (
    OBJECT_STORE_COLUMNS,
    CredentialsFrom,
    ServerSideEncryption,
)
from backups.repositories.objects.place import DEFAULT_REGION

UNENCRYPTED = (
    "NOT encrypted: anyone who can read it can read every backup in it, "
    "and every row of every instance backed up to it."
)


class Command(MooringCommand):
    help = "Add a folder, bucket or medium as a repository; a new or empty one is initialised."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Name of the new entry.")
        parser.add_argument(
            "--path",
            required=True,
            help="Absolute path of the folder, s3://BUCKET/PREFIX in an object store, or "
            "media:NAME/PREFIX on a tape or behind a pipe.",
        )
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
        _add_store_options(parser)
        _add_credential_options(parser)

    def answer(self, options: dict[str, Any]) -> Answer:
        kind, path = place_of(options["path"])
        repository = Repository(
            name=options["name"],
            kind=kind,
            path=path,
            encrypted=not options["unencrypted"],
            differences=not options["whole_blocks"],
            max_jobs=options["max_jobs"],
            **{column: options[column] for column in OBJECT_STORE_COLUMNS},
        )
        repository.set_secret_key(read_secret(options["secret_key_file"], "secret key"))
        refuse_invalid(repository)
        adopted = settle(repository)
        with transaction.atomic():
            repository.save(force_insert=True)
            record(Verb.ADDED, repository, details={"path": repository.address, "adopted": adopted})
        return _answer(repository, adopted=adopted)


def _add_store_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--endpoint", default="", help="URL of the object store; without it Amazon's."
    )
    parser.add_argument("--region", default="", help=f"Without it {DEFAULT_REGION}.")
    parser.add_argument(
        "--virtual-host",
        action="store_true",
        help="The endpoint expects the bucket in the host name.",
    )
    parser.add_argument("--ca-file", default="", help="PEM file of the CA of the endpoint.")
    parser.add_argument("--storage-class", default="", help="Class of new objects.")
    parser.add_argument(
        "--server-encryption",
        choices=[value for value in ServerSideEncryption.values if value],
        default="",
        help="Encryption by the store, in addition to Mooring's own.",
    )
    parser.add_argument("--kms-key", default="", help="Id of the key for --server-encryption.")


def _add_credential_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--credentials",
        choices=CredentialsFrom.values,
        default=CredentialsFrom.STORED.value,
        help="Where they come from. Default: %(default)s, encrypted in Mooring's database.",
    )
    parser.add_argument(
        "--credentials-name",
        default="",
        help="environment: how the variables begin, as AWS. file: its absolute path.",
    )
    parser.add_argument("--access-key-id", default="", help="Of a stored key pair.")
    parser.add_argument(
        "--secret-key-file",
        help="File with its secret key; - prompts for it, or reads a line from a pipe.",
    )


def _answer(repository: Repository, *, adopted: bool) -> Answer:
    key = _key_problem() if repository.encrypted else ""
    what = "Adopted the repository" if adopted else "Created the repository"
    shown = [f"{what} {repository.name} in {repository.address}."]
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
            "endpoint": repository.endpoint,
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
