"""The rows that hold the truth."""

from __future__ import annotations

from backups.models.activity import Activity
from backups.models.catalog import Backup, BackupCopy, Evidence
from backups.models.instance import Instance, InstanceGroup
from backups.models.job import Job, JobEvent, JobLogLine, JobStage
from backups.models.repository import Repository
from backups.models.slot import JobSlot

__all__ = [
    "Activity",
    "Backup",
    "BackupCopy",
    "Evidence",
    "Instance",
    "InstanceGroup",
    "Job",
    "JobEvent",
    "JobLogLine",
    "JobSlot",
    "JobStage",
    "Repository",
]
