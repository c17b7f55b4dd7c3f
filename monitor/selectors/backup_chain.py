"""What does a backup need, and what needs it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backups.models import Backup
from monitor.selectors.chain_links import state_of
from monitor.selectors.chains import Chain, draw_chain, load_chain
from monitor.selectors.proof import UNPROVEN, ProofSummary, load_proofs

NEEDING_SHOWN = 20


@dataclass(frozen=True, slots=True)
class NeededBackup:
    """One backup that a restore reads, in the order in which it does."""

    backup: Backup
    status: str
    word: str


@dataclass(frozen=True, slots=True)
class BackupChain:
    """The chain of one backup, seen from it."""

    drawn: Chain
    # The full backup first, the backup itself last; only itself if it needs no other.
    needed: Sequence[NeededBackup]
    needing: Sequence[Backup]
    hidden_needing: int

    @property
    def stored_bytes(self) -> int:
        """Of all that a restore reads from, at most."""
        return sum(link.backup.stored_bytes or 0 for link in self.needed)


def load_backup_chain(backup: Backup) -> tuple[ProofSummary, BackupChain | None]:
    """Return what is known of a backup, and its chain; None where it has none."""
    backups = load_chain(backup)
    proofs = load_proofs([member.pk for member in backups])
    proof = proofs.get(backup.pk, UNPROVEN)
    if len(backups) == 1:
        return proof, None
    ancestors = set(backup.ancestors.values_list("ancestor", flat=True))
    needed = [member for member in backups if member.pk in ancestors or member.pk == backup.pk]
    needing = list(backup.descendants.values_list("backup", flat=True))
    newer = [member for member in backups if member.pk in set(needing)]
    return proof, BackupChain(
        draw_chain(backups, proofs, backup.pk, ancestors),
        [NeededBackup(link, *state_of(link, proofs.get(link.pk, UNPROVEN))) for link in needed],
        newer[:NEEDING_SHOWN],
        max(0, len(needing) - NEEDING_SHOWN),
    )
