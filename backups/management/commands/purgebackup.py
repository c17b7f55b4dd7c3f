"""Delete a backup's stored bytes, or mark them. Refused while they are still needed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backups.exceptions import BadInput
from backups.jobs.request import create_copy_job
from backups.management.copy_command import CopyCommand
from backups.models import BackupCopy, Job
from backups.parameters import PurgeParameters
from backups.states import Operation


class Command(CopyCommand):
    reads_copy = False
    help = (
        "Delete a backup's stored bytes, after the delay of its repository: until then keepbackup "
        "undoes it. Refused while they are still needed."
    )

    def add_options(self, parser: CommandParser) -> None:
        super().add_options(parser)
        parser.add_argument("--reason", default="", help="Reason, recorded with its deletion.")
        parser.add_argument(
            "--now",
            action="store_true",
            help="Delete it at once, without the delay of its repository; needs a --reason.",
        )
        parser.add_argument(
            "--force", action="store_true", help="Purge it even if no restorable backup remains."
        )

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        reason = options["reason"].strip()
        if options["now"] and not reason:
            raise BadInput("--now needs a --reason", hint="It cannot be undone: say why.")
        parameters = PurgeParameters(
            reason or "purged from the command line", force=options["force"], at_once=options["now"]
        )
        return create_copy_job(Operation.PURGE, copy, parameters=parameters, wake=wake)
