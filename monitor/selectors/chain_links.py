"""How is one backup of a chain drawn: its state, its size, and the lines to its base?

Lines are words for the stylesheet. ``next``: the one after it is based on it. ``bus``: the line
above, from the full backup to those that go on from it later.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from backups.models import Backup
from backups.states import BackupKind, CopyStatus
from monitor.selectors.proof import UNPROVEN, ProofSummary

# What holds most is the first.
LETTERS: Mapping[str, str] = {
    BackupKind.FULL: "F",
    BackupKind.DIFFERENTIAL: "D",
    BackupKind.INCREMENTAL: "I",
    BackupKind.PARTIAL: "P",
}
# So that a small increment is still a line.
LEAST_PERCENT = 2
SOUND, BAD = "sound", "bad"


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One backup of a chain, as it is drawn."""

    backup: Backup
    letter: str
    # As a status and a word of a badge.
    status: str
    word: str
    # Of the largest backup drawn.
    percent: int
    # "sound", "bad" or blank.
    next: str
    # "start", "through", "drop", "end" or blank.
    bus: str
    # Where no line says it: its base.
    base: Backup | None
    current: bool
    needed: bool


def draw_links(
    backups: Sequence[Backup],
    proofs: Mapping[int, ProofSummary],
    largest: int,
    *,
    current: int | None,
    needed: Collection[int],
    gap: bool,
) -> list[ChainLink]:
    """Draw the backups of one chain; with ``gap``, some after the first are left out."""
    full = backups[0].pk
    by_pk = {backup.pk: backup for backup in backups}
    # The first after the full one needs no line above, unless others were between them.
    first = 1 if gap else 2
    drops = {n for n, member in enumerate(backups) if n >= first and member.base_id == full}
    links = []
    for number, backup in enumerate(backups):
        proof = proofs.get(backup.pk, UNPROVEN)
        status, word = state_of(backup, proof)
        follower = backups[number + 1] if number + 1 < len(backups) else None
        linked = number in drops or _is_after(number, backups, gap)
        links.append(
            ChainLink(
                backup,
                LETTERS.get(backup.kind, "?"),
                status,
                word,
                max(LEAST_PERCENT, round(100 * (backup.stored_bytes or 0) / largest))
                if largest
                else 0,
                _next(backup, follower, proofs, in_gap=gap and number == 0 and 1 not in drops),
                _bus(number, drops),
                None if linked or backup.base_id is None else by_pk.get(backup.base_id),
                backup.pk == current,
                backup.pk in needed,
            )
        )
    return links


def state_of(backup: Backup, proof: ProofSummary) -> tuple[str, str]:
    """Return status and word of a backup: whether it can be restored, and how far it is proven."""
    if not any(copy.status == CopyStatus.STORED for copy in backup.copies.all()):
        return "expired", "being deleted"
    obstacle = proof.condition.obstacle
    if obstacle is not None and not obstacle.own:
        return "failed", "not restorable"
    if proof.failed:
        return "failed", f"{proof.failed[0].get_operation_display().lower()} failed"
    if obstacle is not None:
        return "failed", "unreadable"
    return ("passed", proof.proven) if proof.proven else ("unproven", "not proven")


def _is_after(number: int, backups: Sequence[Backup], gap: bool) -> bool:
    """Whether a line from its neighbour, or out of the gap, leads to it."""
    if number == 0 or (number == 1 and gap):
        return True
    return backups[number].base_id == backups[number - 1].pk


def _next(
    backup: Backup,
    follower: Backup | None,
    proofs: Mapping[int, ProofSummary],
    *,
    in_gap: bool,
) -> str:
    if follower is None or not (follower.base_id == backup.pk or in_gap):
        return ""
    obstacle = proofs.get(follower.pk, UNPROVEN).condition.obstacle
    return SOUND if obstacle is None or obstacle.own else BAD


def _bus(number: int, drops: Collection[int]) -> str:
    last = max(drops, default=0)
    if number > last or not last:
        return ""
    if number == 0:
        return "start"
    if number == last:
        return "end"
    return "drop" if number in drops else "through"
