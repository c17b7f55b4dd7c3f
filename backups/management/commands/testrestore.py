"""Really restore a backup, start a server on it, check every table, and remove it again."""

from __future__ import annotations

from typing import Any

from backups.jobs import create_copy_job
from backups.management.copy_command import CopyCommand
from backups.models import BackupCopy, Job
from backups.states import Operation


class Command(CopyCommand):
    help = "Restore a backup to a scratch folder, start a server on it and check every table."

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        return create_copy_job(Operation.RESTORE_TEST, copy, wake=wake)
