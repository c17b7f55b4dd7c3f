"""What is known of the newest chain of each instance?

A fixed number of queries for any number of instances, and for any length of their histories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count

from alerts.facts.belonging import Belonging
from alerts.facts.chain import ChainFacts, Fallback, LinkShare
from alerts.facts.load_history import COMPARED, History, Past
from backups.models import BackupAncestor, Job
from backups.states import LINK_KINDS, BackupKind

# How many in a row are read.
MOST_SHARES = 5


class _Root(NamedTuple):
    """A link and the full backup of its chain; sizes are None where they are unknown."""

    link: int
    label: str
    stored: int | None
    full: int
    full_stored: int | None


def build_chains(
    now: datetime, belongings: Mapping[int, Belonging], history: History
) -> Iterator[ChainFacts]:
    """Yield the chain of each instance's newest backup."""
    pasts = {pk: earlier for pk in belongings if (earlier := _pasts_of(pk, history))}
    newest = {pk: _newest(earlier) for pk, earlier in pasts.items()}
    roots = _load_roots([link for earlier in pasts.values() for link in _links(earlier)])
    counts = _count_links([past.newest.id for past in newest.values()])
    fallbacks = _load_fallbacks(pasts, newest)
    for pk, past in newest.items():
        belonging = belongings[pk]
        yield ChainFacts(
            now=now,
            subject=belonging.subject(
                f"instance:{pk}/chain", pk, name=f"{belonging.name}, chain of backups"
            ),
            label=past.newest.label,
            links=counts.get(past.newest.id, 0),
            most_links=settings.MOST_LINKS,
            shares=_shares(past.newest.id, _links(pasts[pk]), roots),
            plans_fulls=any(schedule.plans_fulls for schedule in belonging.schedules),
            plans_links=any(schedule.kinds & set(LINK_KINDS) for schedule in belonging.schedules),
            fallback=fallbacks.get(pk),
        )


def _pasts_of(pk: int, history: History) -> dict[str, Past]:
    return {kind.value: history[pk, kind] for kind in COMPARED if (pk, kind.value) in history}


def _newest(pasts: Mapping[str, Past]) -> Past:
    return max(pasts.values(), key=lambda past: (past.newest.ended_at, past.newest.id))


def _links(by_kind: Mapping[str, Past]) -> list[int]:
    """Return the newest incremental and differential backups, the newest of each kind first."""
    pasts = [by_kind[kind.value] for kind in LINK_KINDS if kind.value in by_kind]
    return [link for past in pasts for link in past.ids[:MOST_SHARES]]


def _load_roots(links: list[int]) -> dict[int, _Root]:
    rows = BackupAncestor.objects.filter(backup__in=links, position=0)
    columns = rows.order_by().values_list(
        "backup", "backup__label", "backup__stored_bytes", "ancestor", "ancestor__stored_bytes"
    )
    return {row[0]: _Root(*row) for row in columns}


def _count_links(backups: list[int]) -> dict[int, int]:
    rows = BackupAncestor.objects.filter(backup__in=backups).order_by().values_list("backup")
    return dict(rows.annotate(links=Count("id")))


def _shares(newest: int, links: list[int], roots: Mapping[int, _Root]) -> tuple[LinkShare, ...]:
    """Return the shares of the links of the newest backup's full one, the newest first."""
    if newest not in roots:
        return ()
    same = [roots[link] for link in links if link in roots]
    same = [share for share in same if share.full == roots[newest].full]
    return tuple(
        LinkShare(share.label, share.stored / share.full_stored)
        for share in sorted(same, key=lambda share: share.link, reverse=True)
        if share.stored is not None and share.full_stored
    )


def _load_fallbacks(
    pasts: Mapping[int, Mapping[str, Past]], newest: Mapping[int, Past]
) -> dict[int, Fallback]:
    """Map instances whose newest backup is a full one, requested as another kind, to that."""
    full = BackupKind.FULL.value
    jobs = {
        past.newest.job_id: pk
        for pk, past in newest.items()
        if pasts[pk].get(full) is past and past.newest.job_id is not None
    }
    rows = Job.objects.filter(pk__in=list(jobs), requested_kind__in=LINK_KINDS, kind=full)
    columns = rows.values_list("id", "requested_kind", "kind_cause", "kind_reason")
    return {
        jobs[job]: Fallback(
            job,
            newest[jobs[job]].newest.ended_at,
            requested,
            cause,
            reason,
            first=_is_first(pasts[jobs[job]]),
        )
        for job, requested, cause, reason in columns
    }


def _is_first(pasts: Mapping[str, Past]) -> bool:
    return sum(len(past.ids) for past in pasts.values()) == 1
