"""Makes a full backup of its own of a chain, in its repositories."""

from __future__ import annotations

from typing import Any

from backups.jobs.consolidation import create_consolidate_job
from backups.management.copy_command import CopyCommand
from backups.models import BackupCopy, Job


class Command(CopyCommand):
    help = (
        "Make a full backup of its own of an incremental or differential backup and all that it "
        "needs, in every repository that has it, without connecting to the instance."
    )

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        return create_consolidate_job(copy, wake=wake)
