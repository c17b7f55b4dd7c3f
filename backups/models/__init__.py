"""The database models."""

from __future__ import annotations

from backups.models.activity import Activity
from backups.models.approval import Approval
from backups.models.binlog import (
    BinlogArchive,
    BinlogGap,
    BinlogSegment,
    BinlogTimeline,
    RecoverableRange,
    SegmentCopy,
)
from backups.models.catalog import Backup, BackupAncestor, BackupCopy, BackupTables, Evidence
from backups.models.deletion import Deletion
from backups.models.drill import Drill
from backups.models.evidence_chain import EvidenceChain, EvidenceLink
from backups.models.heartbeat import ObservedHistory, TickHeartbeat, WorkerHeartbeat
from backups.models.hook_run import HookRun
from backups.models.instance import Instance, InstanceGroup, Tag
from backups.models.job import Job, JobEvent, JobLogLine, JobStage
from backups.models.kept import KeptRestore
from backups.models.objective import ObjectiveDay, ObjectiveStanding, RecoveryObjective
from backups.models.occurrence import Occurrence
from backups.models.piece import MediaPiece
from backups.models.place import LimitPlace
from backups.models.protection import InstanceProtection
from backups.models.rehearsal import Rehearsal
from backups.models.repository import Repository, RepositorySpace
from backups.models.row_comparison import RowComparison
from backups.models.sample import JobSample
from backups.models.schedule import BackupSchedule
from backups.models.signing_key import SigningKey
from backups.models.table_opening import TableOpening
from backups.models.usage import JobUsage
from backups.models.wanted_copy import WantedCopy

__all__ = [
    "Activity",
    "Approval",
    "Backup",
    "BackupAncestor",
    "BackupCopy",
    "BackupSchedule",
    "BackupTables",
    "BinlogArchive",
    "BinlogGap",
    "BinlogSegment",
    "BinlogTimeline",
    "Deletion",
    "Drill",
    "Evidence",
    "EvidenceChain",
    "EvidenceLink",
    "HookRun",
    "Instance",
    "InstanceGroup",
    "InstanceProtection",
    "Job",
    "JobEvent",
    "JobLogLine",
    "JobSample",
    "JobStage",
    "JobUsage",
    "KeptRestore",
    "LimitPlace",
    "MediaPiece",
    "ObjectiveDay",
    "ObjectiveStanding",
    "ObservedHistory",
    "Occurrence",
    "RecoverableRange",
    "RecoveryObjective",
    "Rehearsal",
    "Repository",
    "RepositorySpace",
    "RowComparison",
    "SegmentCopy",
    "SigningKey",
    "TableOpening",
    "Tag",
    "TickHeartbeat",
    "WantedCopy",
    "WorkerHeartbeat",
]
