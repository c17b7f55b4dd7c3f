"""Restores a backup to a scratch folder, starts a server on it and checks every table."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backups.jobs.request import create_copy_job
from backups.management.copy_command import CopyCommand, add_mysqld_option, chosen_mysqld
from backups.models import BackupCopy, Job
from backups.parameters import RestoreTestParameters
from backups.states import Operation


class Command(CopyCommand):
    help = "Restore a backup to a scratch folder, start a server on it and check every table."

    def add_options(self, parser: CommandParser) -> None:
        super().add_options(parser)
        add_mysqld_option(parser)

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        parameters = RestoreTestParameters(chosen_mysqld(options))
        return create_copy_job(Operation.RESTORE_TEST, copy, parameters=parameters, wake=wake)
