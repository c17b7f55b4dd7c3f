"""Which chains does an instance have, and what does each of their backups depend on?

A constant number of queries: the full backups of one page, everything that needs them, and what is
known of all of these.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from backups.models import Backup, BackupAncestor, BackupCopy, Instance
from backups.models.catalog import Origin
from backups.states import CopyStatus
from monitor.selectors.chain_links import ChainLink, draw_links
from monitor.selectors.proof import UNPROVEN, ProofSummary

CHAINS_SHOWN = 4
# On the page of an instance, and on that of one of its backups.
LINKS_SHOWN, ALL_LINKS_SHOWN = 9, 60
# A full backup may have any number of differential ones.
MOST_MEMBERS = 1000

_LIVE = (CopyStatus.STORED, CopyStatus.EXPIRED)


@dataclass(frozen=True, slots=True)
class Chain:
    """A full backup and what needs it; or full backups in a row that nothing needs."""

    links: Sequence[ChainLink]
    # How many between the full one and the newest ones are not drawn.
    hidden: int
    members: int
    stored_bytes: int
    # "main", "offsite (1 of 7)".
    places: Sequence[str]
    # How many cannot be restored, and why the first of them.
    broken: int
    why: str

    @property
    def full(self) -> Backup:
        return self.links[0].backup

    @property
    def newest(self) -> Backup:
        return self.links[-1].backup

    @property
    def lone(self) -> bool:
        """Whether its backups are full ones that nothing needs."""
        return all(link.backup.base_id is None for link in self.links)

    @property
    def tone(self) -> str:
        return "bad" if self.broken else ""


@dataclass(frozen=True, slots=True)
class ChainsView:
    """One page of the chains of an instance, the newest first."""

    page: Page[Backup]
    chains: Sequence[Chain]
    # Whether any backup is based on another: otherwise the table says all there is.
    drawn: bool


@dataclass(frozen=True, slots=True)
class Members:
    """The backups of some chains, before anything is known of their proofs."""

    page: Page[Backup]
    # The full one first, the others in the order of time.
    by_full: Mapping[int, Sequence[Backup]]

    @property
    def ids(self) -> set[int]:
        return {backup.pk for chain in self.by_full.values() for backup in chain}


def load_members(instance: Instance, page: str | None) -> Members:
    """Load the backups of one page of chains."""
    live = BackupCopy.objects.filter(status__in=_LIVE)
    needing = BackupAncestor.objects.filter(ancestor=OuterRef("pk"), backup__copies__in=live)
    fulls = _with_copies().filter(
        Exists(live.filter(backup=OuterRef("pk"))) | Exists(needing),
        instance=instance,
        base=None,
        origin=Origin.MANAGED,
    )
    shown = Paginator(fulls.order_by("-ended_at", "-id"), CHAINS_SHOWN).get_page(page)
    return Members(shown, _by_full(list(shown)))


def draw_chains(members: Members, proofs: Mapping[int, ProofSummary]) -> ChainsView:
    """Return the chains as they are drawn; full backups in a row without increments as one."""
    largest = _largest(members.by_full.values())
    chains: list[Chain] = []
    for alone, group in groupby(members.by_full.values(), key=lambda chain: len(chain) == 1):
        whole = list(group)
        if alone:
            whole = [[backup for chain in reversed(whole) for backup in chain]]
        chains += [_chain(chain, proofs, largest, LINKS_SHOWN) for chain in whole]
    drawn = any(len(chain) > 1 for chain in members.by_full.values())
    return ChainsView(members.page, chains, drawn)


def load_chain(backup: Backup) -> Sequence[Backup]:
    """Return the chain that a backup is in, the full one first."""
    first = backup.ancestors.filter(position=0).values("ancestor")
    full = _with_copies().filter(Q(pk__in=first) if backup.base_id else Q(pk=backup.pk)).first()
    if full is None:
        # Of another tool, whose history does not say what it is based on.
        return list(_with_copies().filter(pk=backup.pk))
    return _by_full([full])[full.pk]


def draw_chain(
    backups: Sequence[Backup],
    proofs: Mapping[int, ProofSummary],
    current: int,
    needed: Collection[int],
) -> Chain:
    """Draw one chain with one of its backups marked, and those that it needs."""
    largest = _largest([backups])
    return _chain(backups, proofs, largest, ALL_LINKS_SHOWN, current=current, needed=needed)


def _by_full(fulls: Sequence[Backup]) -> dict[int, list[Backup]]:
    live = BackupCopy.objects.filter(status__in=_LIVE, backup=OuterRef("pk"))
    chains = {full.pk: [full] for full in fulls}
    ties = BackupAncestor.objects.filter(ancestor__in=list(chains), position=0)
    roots = dict(ties.values_list("backup", "ancestor"))
    needing = _with_copies().filter(Exists(live), pk__in=list(roots)).order_by("-ended_at", "-id")
    for backup in reversed(needing[:MOST_MEMBERS]):
        chains[roots[backup.pk]].append(backup)
    return chains


def _with_copies() -> QuerySet[Backup]:
    copies = BackupCopy.objects.select_related("repository").order_by("id")
    return Backup.objects.defer("facts", "gtid_executed").prefetch_related(
        Prefetch("copies", copies)
    )


def _largest(chains: Iterable[Sequence[Backup]]) -> int:
    return max((backup.stored_bytes or 0 for chain in chains for backup in chain), default=0)


def _chain(
    backups: Sequence[Backup],
    proofs: Mapping[int, ProofSummary],
    largest: int,
    most: int,
    *,
    current: int | None = None,
    needed: Collection[int] = (),
) -> Chain:
    hidden = max(0, len(backups) - most)
    # The full one, and the newest: what a restore of today needs.
    shown = [backups[0], *backups[1 + hidden :]]
    broken = [
        (backup, obstacle)
        for backup in backups
        if (obstacle := proofs.get(backup.pk, UNPROVEN).condition.obstacle) is not None
    ]
    links = draw_links(shown, proofs, largest, current=current, needed=needed, gap=bool(hidden))
    return Chain(
        links,
        hidden,
        len(backups),
        sum(backup.stored_bytes or 0 for backup in backups),
        _places(backups),
        len(broken),
        f"{broken[0][1].label} {broken[0][1].reason}" if broken else "",
    )


def _places(backups: Sequence[Backup]) -> list[str]:
    """Name the repositories, and how much of the chain is there if not all of it."""
    counts: Counter[str] = Counter()
    stored: defaultdict[int, set[str]] = defaultdict(set)
    for backup in backups:
        for copy in backup.copies.all():
            if copy.status == CopyStatus.STORED:
                stored[backup.pk].add(copy.repository.name)
        counts.update(stored[backup.pk])
    return [
        name if count == len(backups) else f"{name} ({count} of {len(backups)})"
        for name, count in sorted(counts.items())
    ]
