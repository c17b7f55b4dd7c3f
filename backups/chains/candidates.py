"""Which stored backups of an instance could a new one go on from?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Count, Q

from backups.catalog.evidence import BackupProof, load_proofs, without_faults
from backups.chains.planner import FULL, INCREMENTAL, KINDS, Candidate
from backups.health.usable import lasting_copies
from backups.models import Backup, BackupAncestor, BackupCopy, Instance
from backups.models.catalog import Origin
from backups.programs.compatibility import parse_version
from backups.states import CHOSEN_KINDS, STANDALONE_KINDS, BackupKind, CopyStatus, Operation
from backups.table_names.choice import TableChoice

# The newest full backup may have many links after it.
MOST = 200


def load_candidates(instance: Instance, choice: TableChoice | None = None) -> list[Candidate]:
    """Return the newest stored backups of an instance that stay, the newest first.

    With a choice of tables they are the partial ones of just these patterns: what others have or
    lack would be neither in the increment nor in its base.
    """
    alike = Q(kind__in=KINDS)
    if choice is not None:
        alike = Q(kind=BackupKind.PARTIAL, choice=choice.write())
    backups = list(
        Backup.objects.filter(alike, instance=instance, origin=Origin.MANAGED)
        .filter(copies__in=lasting_copies())
        .annotate(ancestor_count=Count("ancestors", distinct=True))
        .order_by("-ended_at", "-id")
        .prefetch_related("copies__repository")[:MOST]
    )
    usable, damaged = _usable_in(backups), _damaged_in(backups)
    proofs = load_proofs(backups)
    stored = BackupCopy.objects.filter(backup__in=backups, status=CopyStatus.STORED)
    # Only the newest one is asked how long and how large its chain is.
    chains = _chains(backups[:1])
    sound = set(without_faults(stored).values_list("backup", flat=True))
    return [
        Candidate(
            backup.label,
            _kind_of(backup),
            backup.ancestor_count,
            backup.engine,
            series_of(backup.server_version),
            frozenset(usable.get(backup.pk, ())),
            _fault(proofs[backup.pk], sound=backup.pk in sound),
            frozenset(damaged.get(backup.pk, ())),
            *_chain_of(backup, chains.get(backup.pk, ())),
        )
        for backup in backups
    ]


def _kind_of(backup: Backup) -> str:
    """Return what the planner calls it: one of chosen tables is one of its chain's kinds too."""
    if backup.kind not in CHOSEN_KINDS:
        return backup.kind
    return FULL if backup.base_id is None else INCREMENTAL


def series_of(version: str) -> str:
    """Return ``10.11`` of ``10.11.6-MariaDB``; blank if it is unknown."""
    parsed = parse_version(version)
    return "" if parsed is None else ".".join(map(str, parsed.series))


def _chains(backups: Iterable[Backup]) -> dict[int, list[Backup]]:
    """Map backups to those they need, the full one first."""
    chains: dict[int, list[Backup]] = {}
    rows = BackupAncestor.objects.filter(backup__in=list(backups)).select_related("ancestor")
    for row in rows.order_by("backup", "position"):
        chains.setdefault(row.backup_id, []).append(row.ancestor)
    return chains


def _chain_of(
    backup: Backup, needed: Sequence[Backup]
) -> tuple[datetime | None, tuple[float, ...]]:
    """Return when its full backup began, and the shares of it that the links stored."""
    chain = [*needed, backup]
    if chain[0].kind not in STANDALONE_KINDS:
        return None, ()
    stored = chain[0].stored_bytes
    links = reversed(chain[1:])
    shares = [link.stored_bytes / stored for link in links if stored and link.stored_bytes]
    return chain[0].started_at, tuple(shares)


def _usable_in(backups: Iterable[Backup]) -> dict[int, set[str]]:
    usable: dict[int, set[str]] = {}
    rows = lasting_copies().filter(backup__in=list(backups))
    for backup, repository in rows.values_list("backup", "repository__name"):
        usable.setdefault(backup, set()).add(repository)
    return usable


def _damaged_in(backups: Iterable[Backup]) -> dict[int, set[str]]:
    """Map backups to the repositories where a copy is damaged of them or of what they need."""
    ids = [backup.pk for backup in backups]
    needed_by: dict[int, set[int]] = {pk: {pk} for pk in ids}
    rows = BackupAncestor.objects.filter(backup__in=ids).values_list("backup", "ancestor")
    for backup, ancestor in rows:
        needed_by.setdefault(ancestor, set()).add(backup)
    faulty = BackupCopy.objects.filter(backup__in=list(needed_by), status=CopyStatus.STORED)
    damaged: dict[int, set[str]] = {}
    found = faulty.exclude(fault="", key_fault="").values_list("backup", "repository__name")
    for copied, repository in found:
        for backup in needed_by[copied]:
            damaged.setdefault(backup, set()).add(repository)
    return damaged


def _fault(proof: BackupProof, *, sound: bool) -> str:
    for evidence in (proof.verify, proof.restore_test):
        if evidence is not None and not evidence.passed:
            return f"failed its {Operation(evidence.operation).label.lower()}"
    return "" if sound else "needs a backup whose verify or restore test failed"
