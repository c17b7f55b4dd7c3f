"""Which nights of the sample fleet were incremental, and what did those go on from?

Some instances take a full backup on Sunday and an incremental one on the other days, since five
weeks. A year ago nobody did.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from backups.models import Backup, BackupAncestor
from backups.states import BackupKind
from scripts.sample_history import Night
from scripts.sample_instances import SampleInstance

CHAINED = ("orders", "ledger", "tracking", "reports")
SINCE = timedelta(days=34)
SUNDAY = 6


@dataclass(slots=True)
class SampleChain:
    """The chain of one instance, as it grows night by night."""

    sample: SampleInstance
    now: datetime
    # From the full backup on; empty where the next backup is a full one.
    links: list[Backup] = field(default_factory=list)
    ancestors: list[BackupAncestor] = field(default_factory=list)

    def plan(self, night: Night) -> tuple[BackupKind, Night]:
        """Return the kind of a night's backup, and the night with what that reads and stores."""
        if not self.is_chained(night) or night.due_at.weekday() == SUNDAY or not self.links:
            return BackupKind.FULL, night
        dice = random.Random(f"{self.sample.name} {night.due_at}")
        share = dice.uniform(0.008, 0.07)
        return BackupKind.INCREMENTAL, replace(
            night,
            took=night.took * dice.uniform(0.55, 0.7),
            raw_bytes=round(night.raw_bytes * share),
            stored_bytes=round(night.stored_bytes * share),
        )

    def is_chained(self, night: Night) -> bool:
        product = self.sample.name.partition("-")[0]
        return product in CHAINED and self.now - night.due_at < SINCE

    def is_everywhere(self, night: Night, number: int) -> bool:
        """Whether all repositories have the backup. A chain in trouble is in one only."""
        return not self.sample.trouble if self.is_chained(night) else number % 7 == 0

    def add(self, backup: Backup, night: Night) -> None:
        """Take a backup in as the newest link."""
        if backup.kind == BackupKind.FULL:
            self.links = []
        elif self.links:
            backup.base = self.links[-1]
            backup.restored_bytes = self.links[0].raw_bytes
        self.ancestors += [
            BackupAncestor(backup=backup, ancestor=link, position=position)
            for position, link in enumerate(self.links)
        ]
        if self.is_chained(night):
            self.links.append(backup)
