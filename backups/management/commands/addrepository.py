"""Adds a repository, and initialises its place if that is new or empty."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation
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
from backups.models.object_lock import MOST_LOCK_DAYS, OBJECT_LOCK_COLUMNS, LockMode
from backups.models.object_store import (
    OBJECT_STORE_COLUMNS,
    CredentialsFrom,
    ServerSideEncryption,
)
from backups.models.prices import PRICE_COLUMNS
from backups.models.repository import PURGE_DELAY, RepositoryKind
from backups.models.sftp import SFTP_COLUMNS
from backups.repositories.objects.place import DEFAULT_REGION

PLACE_COLUMNS = (*OBJECT_STORE_COLUMNS, *OBJECT_LOCK_COLUMNS, *SFTP_COLUMNS)
UNENCRYPTED = (
    "NOT encrypted: anyone who can read it can read every backup in it, "
    "and every row of every instance backed up to it."
)

PRICED = {
    "--price-storage": "a GiB that is stored for a month",
    "--price-writes": "1000 requests that write or list",
    "--price-reads": "1000 requests that read",
    "--price-egress": "a GiB that leaves the store",
}


class Command(MooringCommand):
    help = "Add a folder, bucket or medium as a repository; a new or empty one is initialised."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Name of the new entry.")
        parser.add_argument(
            "--path",
            required=True,
            help="Absolute path of the folder or of a file that exportbackup wrote; in an object "
            "store s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://ACCOUNT/CONTAINER/PREFIX; "
            "sftp://USER@HOST:PORT/PATH on another host; media:NAME/PREFIX on a tape or behind a "
            "pipe.",
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
        parser.add_argument("--site", default="", help="Building or region where it is.")
        parser.add_argument(
            "--undeletable-by",
            default="",
            metavar="WORDS",
            help="What keeps anybody from deleting it, such as snapshots of the filer.",
        )
        parser.add_argument(
            "--purge-delay-hours",
            type=int,
            default=int(PURGE_DELAY / timedelta(hours=1)),
            help="For how long a copy that is to be deleted stays restorable, and its deletion can "
            "be undone; 0 deletes it at once. Default: %(default)s.",
        )
        _add_store_options(parser)
        _add_lock_options(parser)
        _add_credential_options(parser)
        _add_sftp_options(parser)

    def answer(self, options: dict[str, Any]) -> Answer:
        kind, path = place_of(options["path"])
        repository = Repository(
            name=options["name"],
            kind=kind,
            path=path,
            encrypted=not options["unencrypted"],
            # Nothing new is ever stored in an exported file.
            enabled=kind != RepositoryKind.FILE,
            differences=not options["whole_blocks"],
            max_jobs=options["max_jobs"],
            site=options["site"],
            undeletable_by=options["undeletable_by"],
            purge_delay=timedelta(hours=options["purge_delay_hours"]),
            **{column: options[column] for column in (*PLACE_COLUMNS, *PRICE_COLUMNS)},
        )
        repository.set_secret_key(read_secret(options["secret_key_file"], "secret key"))
        repository.set_customer_key(read_secret(options["customer_key_file"], "customer key"))
        refuse_invalid(repository)
        adopted = settle(repository)
        with transaction.atomic():
            repository.save(force_insert=True)
            record(Verb.ADDED, repository, details={"path": repository.address, "adopted": adopted})
        return _answer(repository, adopted=adopted)


def _add_store_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--endpoint",
        default="",
        help="URL of the object store; without it that of the cloud.",
    )
    parser.add_argument("--region", default="", help=f"Without it {DEFAULT_REGION}.")
    parser.add_argument(
        "--virtual-host",
        action="store_true",
        help="The endpoint expects the bucket, or the account of Azure, in the host name.",
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
    parser.add_argument(
        "--customer-key-file",
        help="File with the key of the encryption sse-c, 32 bytes as base64; - prompts for it.",
    )
    _add_price_options(parser)


def _add_lock_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--lock-mode",
        choices=[value for value in LockMode.values if value],
        default="",
        help="Lock each new object in the store; the bucket must have object lock.",
    )
    parser.add_argument(
        "--lock-days",
        type=int,
        help=f"For how long, at most {MOST_LOCK_DAYS}; renewed while the backup is kept.",
    )
    parser.add_argument(
        "--write-only",
        action="store_true",
        help="Never delete there: a lifecycle rule of the store does, or purgeexpired.",
    )


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
        help="environment: how the variables begin, as AWS; of az:// and gs:// the name of the "
        "variable. file: its absolute path. role: the client id of a managed identity of Azure.",
    )
    parser.add_argument("--access-key-id", default="", help="Of a stored key pair.")
    parser.add_argument(
        "--secret-key-file",
        help="File with its secret key, with the account key or SAS token of Azure, or the JSON "
        "file of Google; - prompts for it, or reads a line from a pipe.",
    )


def _add_sftp_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--identity-file",
        default="",
        help="sftp: private key, mode 0600; without it ~/.ssh/id_ed25519.",
    )
    parser.add_argument(
        "--known-hosts-file",
        default="",
        help="sftp: file with the server's host key; without it ~/.ssh/known_hosts.",
    )


def _add_price_options(parser: CommandParser) -> None:
    parser.add_argument("--currency", default="", help="Of the prices, three letters, as EUR.")
    for option, what in PRICED.items():
        parser.add_argument(
            option, type=_price, metavar="PRICE", help=f"Of {what}; without it unknown."
        )


def _price(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text} is no price") from None


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
            "lock_mode": repository.lock_mode,
            "lock_days": repository.lock_days,
            "write_only": repository.write_only,
            "purge_delay": repository.purge_delay,
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
