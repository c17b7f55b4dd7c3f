"""The stages of a copy: check what is read and where it goes, then copy backup by backup."""

from __future__ import annotations

from backups.stages.copying.copy_backups import CopyBackups
from backups.stages.copying.open_source import OpenSource

STAGES = (OpenSource(), CopyBackups())
