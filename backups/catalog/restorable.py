"""Which backups cannot be restored now, and which backup of their chain is to blame?

The verdict is that of ``health.usable`` and of the newest proofs; here it gets its words, in a
constant number of queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Max

from backups.catalog.evidence import BackupProof, without_faults
from backups.health.usable import usable_copies
from backups.models import BackupAncestor, BackupCopy, Evidence
from backups.states import CopyStatus, Operation

# More than a page shows: what a list of all backups asks about is asked in parts.
AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a copy cannot be restored."""

    # Whose bytes are at fault: the backup's own, or those of one that it needs.
    label: str
    reason: str
    own: bool

    def __str__(self) -> str:
        return self.reason if self.own else f"it needs {self.label}, which {self.reason}"


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether a backup can be restored from one of its stored copies."""

    # By copy: those that cannot be restored.
    obstacles: Mapping[int, Obstacle] = field(default_factory=dict)
    # The same of the backup; None if one of its copies can be restored, or none is stored.
    obstacle: Obstacle | None = None


SOUND = Condition()


def proof_in_words(proof: BackupProof, condition: Condition) -> str:
    """Return what is proven of a backup; where it cannot be restored now, that instead."""
    obstacle = condition.obstacle
    says_so = any(result and not result.passed for result in (proof.verify, proof.restore_test))
    if obstacle is None or (obstacle.own and says_so):
        return proof.in_words()
    return f"NOT RESTORABLE: {obstacle}"


def load_conditions(backup_ids: Iterable[int]) -> dict[int, Condition]:
    """Return the condition of each backup that has stored copies."""
    ids = sorted(set(backup_ids))
    conditions: dict[int, Condition] = {}
    for start in range(0, len(ids), AT_ONCE):
        conditions |= _load_some(set(ids[start : start + AT_ONCE]))
    return conditions


def _load_some(ids: set[int]) -> dict[int, Condition]:
    needed = _needed_by(ids)
    copies = _copies_of(ids.union(*needed.values()) if needed else ids)
    good = set(without_faults(usable_copies().filter(backup__in=ids)).values_list("pk", flat=True))
    failed = _failed_proofs(copies)
    conditions: dict[int, Condition] = {}
    for backup_id in ids:
        stored = [
            copy
            for (backup, _), copy in copies.items()
            if backup == backup_id and copy.status == CopyStatus.STORED
        ]
        if not stored:
            continue
        chain = [*needed.get(backup_id, ()), backup_id]
        obstacles = {
            copy.pk: _obstacle_of(copy, chain, copies, failed)
            for copy in stored
            if copy.pk not in good
        }
        every = len(obstacles) == len(stored)
        conditions[backup_id] = Condition(
            obstacles, next(iter(obstacles.values())) if every else None
        )
    return conditions


Copies = Mapping[tuple[int, int], BackupCopy]


def _needed_by(ids: Collection[int]) -> dict[int, list[int]]:
    rows = BackupAncestor.objects.filter(backup__in=ids).order_by("backup", "position")
    needed: defaultdict[int, list[int]] = defaultdict(list)
    for backup, ancestor in rows.values_list("backup", "ancestor"):
        needed[backup].append(ancestor)
    return dict(needed)


def _copies_of(ids: Collection[int]) -> Copies:
    """Return the copies by backup and repository."""
    rows = BackupCopy.objects.filter(backup__in=ids).select_related("backup", "repository")
    rows = rows.defer("backup__facts", "backup__gtid_executed").order_by("id")
    return {(copy.backup_id, copy.repository_id): copy for copy in rows}


def _failed_proofs(copies: Copies) -> dict[int, str]:
    """Return by copy which of its newest proofs failed."""
    newest = (
        Evidence.objects.current()
        .filter(copy__in=[copy.pk for copy in copies.values()])
        .order_by()
        .values("copy", "operation")
        .annotate(newest=Max("id"))
        .values("newest")
    )
    failed = Evidence.objects.filter(pk__in=newest, passed=False)
    return dict(failed.order_by("id").values_list("copy", "operation"))


def _obstacle_of(
    copy: BackupCopy, chain: Sequence[int], copies: Copies, failed: Mapping[int, str]
) -> Obstacle:
    """Return the first fault of a chain; the fault of a link may only be a consequence of it."""
    label, repository = copy.backup.label, copy.repository
    if repository.fault:
        return Obstacle(label, f"repository {repository} cannot be used: {repository.fault}", True)
    for backup_id in chain:
        own = backup_id == copy.backup_id
        link = copies.get((backup_id, repository.pk))
        if link is None:
            return Obstacle(_name(backup_id, copies), f"is not stored in {repository}", own)
        if fault := _fault_of(link, failed):
            return Obstacle(link.backup.label, fault, own)
    return Obstacle(label, "a backup that it needs cannot be read", True)


def _name(backup_id: int, copies: Copies) -> str:
    """Return the label of a backup that has no copy in the repository in question."""
    elsewhere = (copy.backup.label for (backup, _), copy in copies.items() if backup == backup_id)
    return next(elsewhere, "a backup without any copy")


def _fault_of(copy: BackupCopy, failed: Mapping[int, str]) -> str:
    """Return what is known against the copy by itself; blank for nothing."""
    if copy.status == CopyStatus.EXPIRED:
        left = copy.repository.write_only
        return f"{'has expired in' if left else 'is being deleted from'} {copy.repository}"
    if copy.status == CopyStatus.PURGED:
        return f"was purged from {copy.repository}"
    if copy.fault:
        return f"is {copy.get_fault_display().lower()} in {copy.repository}: {copy.fault_detail}"
    if copy.key_fault:
        return f"cannot be opened in {copy.repository}: {copy.key_fault}"
    if operation := failed.get(copy.pk):
        return f"failed its {Operation(operation).label.lower()} in {copy.repository}"
    return ""
