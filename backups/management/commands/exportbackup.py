"""Writes a backup and all that it needs into one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from backups.jobs.export import create_export_job
from backups.management.copy_command import CopyCommand
from backups.models import BackupCopy, Job


class Command(CopyCommand):
    help = (
        "Write a backup and all that it needs into one file, which scripts/extract_backup.py "
        "reads, and another Mooring as a repository."
    )

    def add_options(self, parser: CommandParser) -> None:
        super().add_options(parser)
        parser.add_argument(
            "--file",
            required=True,
            type=Path,
            metavar="PATH",
            help="A new file, on the worker's host.",
        )

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        return create_export_job(copy, options["file"].absolute(), wake=wake)
