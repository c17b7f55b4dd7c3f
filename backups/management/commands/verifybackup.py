"""Read every stored byte of a backup and hold it against its manifest."""

from __future__ import annotations

from typing import Any

from backups.jobs import create_copy_job
from backups.management.copy_command import CopyCommand
from backups.models import BackupCopy, Job
from backups.states import Operation


class Command(CopyCommand):
    help = "Read every stored byte of a backup and hold it against its manifest."

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        return create_copy_job(Operation.VERIFY, copy, wake=wake)
