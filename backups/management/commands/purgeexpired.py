"""Deletes the bytes of expired backups in a repository where the workers delete nothing."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.activity import record
from backups.exceptions import BadInput
from backups.management.output import DONE, FAILED, Answer, MooringCommand, table
from backups.management.rows import named_repository
from backups.models import Repository
from backups.models.activity import Verb
from backups.models.object_store import CredentialsFrom
from backups.retention.expired_bytes import delete_expired_copies, delete_expired_pieces
from backups.units import format_bytes, format_count


class Command(MooringCommand):
    help = (
        "Delete the bytes of the expired backups of a write-only repository, with credentials that "
        "may delete. Backups that are kept, or locked in the store, are not touched."
    )

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("repository", help="Its name.")
        parser.add_argument(
            "--credentials",
            choices=[value for value in CredentialsFrom.values if value != CredentialsFrom.STORED],
            help="Where those that may delete come from; without it the repository's are used.",
        )
        parser.add_argument("--credentials-name", default="", help="As of addrepository.")

    def answer(self, options: dict[str, Any]) -> Answer:
        deleter = _deleter(named_repository(options["repository"]), options)
        found = list(delete_expired_copies(deleter, now()))
        pieces = delete_expired_pieces(deleter)
        kept = [each for each in found if each.kept]
        freed = sum(each.freed_bytes for each in found)
        done = len(found) - len(kept)
        if done or pieces:
            details = {"copies": done, "bytes": freed, "binlog_pieces": pieces}
            record(Verb.PURGED, deleter, details=details)
        rows = [
            (each.label, each.kept or f"deleted, {format_bytes(each.freed_bytes)}")
            for each in found
        ]
        return Answer(
            {
                "repository": deleter.name,
                "deleted": [each.label for each in found if not each.kept],
                "freed_bytes": freed,
                "binlog_pieces": pieces,
                "kept": {each.label: each.kept for each in kept},
            },
            [
                *([table(("backup", "result"), rows)] if rows else []),
                f"{done} of {len(found)} expired copies deleted: {format_bytes(freed)}",
                f"{format_count(pieces, 'expired piece')} of binlogs deleted",
            ],
            FAILED if kept else DONE,
        )


def _deleter(repository: Repository, options: dict[str, Any]) -> Repository:
    """Return the unsaved row with which is deleted."""
    if not repository.write_only:
        raise BadInput(
            f"{repository} is not write-only: its expired backups are deleted by the workers",
            hint="Run purgebackups, or wait for the hourly tick.",
        )
    repository.write_only = False
    if options["credentials"]:
        repository.credentials = options["credentials"]
        repository.credentials_name = options["credentials_name"]
    return repository
