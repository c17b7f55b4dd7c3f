"""Reads every stored byte of a backup and compares it with its manifest; pages on request."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backups.jobs.request import create_copy_job
from backups.management.copy_command import CopyCommand
from backups.models import BackupCopy, Job
from backups.parameters import VerifyParameters
from backups.states import Operation


class Command(CopyCommand):
    help = "Read every stored byte of a backup and compare it with its manifest."

    def add_options(self, parser: CommandParser) -> None:
        super().add_options(parser)
        parser.add_argument(
            "--pages",
            action="store_true",
            help="Also check every page of every InnoDB tablespace as a restore would write it.",
        )

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        parameters = VerifyParameters(pages=options["pages"])
        return create_copy_job(Operation.VERIFY, copy, parameters=parameters, wake=wake)
