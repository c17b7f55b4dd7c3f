"""How is a backup requested as a single file?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backups.exceptions import BadInput
from backups.jobs.request import LONGEST_TARGET, create_copy_job
from backups.models import BackupCopy, Job
from backups.parameters import ExportParameters
from backups.states import Operation

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def create_export_job(
    copy: BackupCopy, target: Path, *, requested_by: User | None = None, wake: bool = True
) -> Job:
    """Request a file with a backup and all that it needs; ``target`` is on the worker's host."""
    if not target.is_absolute():
        raise BadInput(f"{target} is not an absolute path")
    if len(str(target)) > LONGEST_TARGET:
        raise BadInput(f"{target} is longer than {LONGEST_TARGET} characters")
    return create_copy_job(
        Operation.EXPORT,
        copy,
        parameters=ExportParameters(target),
        requested_by=requested_by,
        wake=wake,
    )
