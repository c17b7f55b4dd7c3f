"""The stages of a backup: nothing counts until the manifest has been read back."""

from __future__ import annotations

from backups.stages.backup.connect import Connect
from backups.stages.backup.copy import Copy
from backups.stages.backup.manifest import WriteManifest
from backups.stages.backup.preflight import RunPreflight
from backups.stages.backup.read_back import ReadBack
from backups.stages.backup.register import Register
from backups.stages.backup.work import BackupWork

STAGES = (Connect(), RunPreflight(), Copy(), WriteManifest(), ReadBack(), Register())

__all__ = ["STAGES", "BackupWork"]
