"""The stages of a purge: may it go, and why; then its bytes."""

from __future__ import annotations

from backups.stages.purge.decide import Decide
from backups.stages.purge.delete import Delete

STAGES = (Decide(), Delete())
