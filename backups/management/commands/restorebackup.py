"""Restore a backup into an empty folder, ready for a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from backups.jobs import create_restore_job
from backups.management.copy_command import CopyCommand, add_mysqld_option, chosen_mysqld
from backups.models import BackupCopy, Job


class Command(CopyCommand):
    help = "Restore a backup into an empty folder, ready for a server."

    def add_options(self, parser: CommandParser) -> None:
        super().add_options(parser)
        parser.add_argument("--to", required=True, type=Path, help="A new or empty folder.")
        parser.add_argument(
            "--raw", action="store_true", help="Stop before prepare: the files as they were copied."
        )
        parser.add_argument(
            "--owner", default="", help="user[:group] that gets the files, for example mysql."
        )
        add_mysqld_option(parser)

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        target = options["to"].absolute()
        return create_restore_job(
            copy,
            target,
            raw=options["raw"],
            owner=options["owner"],
            mysqld=chosen_mysqld(options),
            wake=wake,
        )
