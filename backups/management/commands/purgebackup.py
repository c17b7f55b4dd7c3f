"""Delete a backup's stored bytes. Refused while they are still needed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backups.jobs.request import create_copy_job
from backups.management.copy_command import CopyCommand
from backups.models import BackupCopy, Job
from backups.parameters import PurgeParameters
from backups.states import Operation


class Command(CopyCommand):
    help = "Delete a backup's stored bytes. Refused while they are still needed."

    def add_options(self, parser: CommandParser) -> None:
        super().add_options(parser)
        parser.add_argument("--reason", default="purged from the command line")
        parser.add_argument(
            "--force", action="store_true", help="Purge it even if no restorable backup remains."
        )

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        parameters = PurgeParameters(options["reason"], force=options["force"])
        return create_copy_job(Operation.PURGE, copy, parameters=parameters, wake=wake)
