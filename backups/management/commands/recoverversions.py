"""Makes the registered versions of a repository's objects the newest again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.binlog_archive.storing.recover import recover_pieces_of
from backups.catalog.recover import recover_repository
from backups.management.output import DONE, FAILED, Answer, MooringCommand, table
from backups.management.rows import named_repository


class Command(MooringCommand):
    help = (
        "Recover what somebody deleted or overwrote in a bucket with object lock: the versions "
        "that were registered become the newest again. Nothing is deleted but deletion markers."
    )

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("repository", help="Its name.")

    def answer(self, options: dict[str, Any]) -> Answer:
        repository, at = named_repository(options["repository"]), now()
        found = [*recover_repository(repository, at), *recover_pieces_of(repository, at)]
        failed = [each for each in found if each.error]
        rows = [(each.what, str(each.objects), each.error or "recovered") for each in found]
        shown = [table(("what", "objects", "result"), rows, right="objects")] if rows else []
        done = len(found) - len(failed)
        return Answer(
            {
                "repository": options["repository"],
                "recovered": {each.what: each.objects for each in found if not each.error},
                "failed": {each.what: each.error for each in failed},
            },
            [*shown, f"{done} recovered, {len(failed)} failed. Verify what was recovered."],
            FAILED if failed else DONE,
        )
