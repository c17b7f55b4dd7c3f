"""The stages of a purge: decide whether the copy may be deleted, then delete its bytes."""

from __future__ import annotations

from backups.stages.purge.decide import Decide
from backups.stages.purge.delete import Delete

STAGES = (Decide(), Delete())
