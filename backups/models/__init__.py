"""The rows that hold the truth."""

from __future__ import annotations

from backups.models.catalog import Backup, BackupCopy, Evidence
from backups.models.instance import Instance, InstanceGroup
from backups.models.job import Job, JobEvent, JobLogLine, JobStage
from backups.models.repository import Repository

__all__ = [
    "Backup",
    "BackupCopy",
    "Evidence",
    "Instance",
    "InstanceGroup",
    "Job",
    "JobEvent",
    "JobLogLine",
    "JobStage",
    "Repository",
]
