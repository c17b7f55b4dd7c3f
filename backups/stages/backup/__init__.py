"""The stages of a backup: nothing counts until the manifest has been read back."""

from __future__ import annotations

from collections.abc import Sequence

from backups.models import Job
from backups.parameters import BackupParameters
from backups.stages.backup.choose_base import ChooseBase
from backups.stages.backup.connect import Connect
from backups.stages.backup.copy import Copy
from backups.stages.backup.manifest import WriteManifest, describe_server
from backups.stages.backup.preflight import RunPreflight
from backups.stages.backup.read_back import ReadBack
from backups.stages.backup.register import Register
from backups.stages.backup.work import BackupWork
from backups.stages.base import Stage
from backups.states import STANDALONE_KINDS

STAGES = (
    Connect(),
    RunPreflight(),
    ChooseBase(),
    Copy(),
    WriteManifest(describe_server),
    ReadBack(),
    Register(),
)


def stages_for(job: Job, asked: BackupParameters) -> Sequence[Stage[BackupWork]]:
    """Return the stages of a backup: one that stands alone as requested chooses no base."""
    alone = job.kind in STANDALONE_KINDS and not asked.options.is_increment and not job.kind_reason
    return [stage for stage in STAGES if not (alone and isinstance(stage, ChooseBase))]


__all__ = ["STAGES", "BackupWork", "stages_for"]
