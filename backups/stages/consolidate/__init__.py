"""The stages of a consolidation: a full backup is made of a chain, in its repositories."""

from __future__ import annotations

from backups.stages.backup.manifest import WriteManifest
from backups.stages.backup.read_back import ReadBack
from backups.stages.backup.register import Register
from backups.stages.consolidate.merge import Merge
from backups.stages.consolidate.open_chain import OpenChain
from backups.stages.consolidate.work import describe_consolidated

STAGES = (OpenChain(), Merge(), WriteManifest(describe_consolidated), ReadBack(), Register())
