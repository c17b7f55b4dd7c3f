"""Is a chain of evidence whole, and is every row in it what was recorded?

Nothing here repairs a chain: one that could be repaired here could be forged here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from backups.evidence_chain.content import EvidenceRow, content_of, digest_of, digest_of_link
from backups.models import Drill, Evidence, EvidenceChain, EvidenceLink, Rehearsal

FAULT_LENGTH = 300
# The names of a link's columns that lead to its row.
_ROWS = ("evidence", "drill", "rehearsal")


@dataclass(frozen=True, slots=True)
class ChainFinding:
    """What a verification of one chain found."""

    # How many links were held against their rows.
    checked: int
    # What breaks it, and in which row; blank if nothing does.
    fault: str = ""


def verify_chain(chain: EvidenceChain, now: datetime, *, full: bool) -> ChainFinding:
    """Verify a chain, and note the result on its row.

    Unless ``full``, only links after those verified before. A chain with a fault keeps it until
    a full verification finds none.
    """
    finding = _find(chain, full=full)
    noted: dict[str, object] = {"verified_at": now}
    if full:
        noted["fully_verified_at"] = now
    if finding.fault:
        noted["fault"] = finding.fault[:FAULT_LENGTH]
        noted["faulty_since"] = chain.faulty_since or now
    else:
        noted |= {"verified_length": chain.length, "verified_head": chain.head}
        if full:
            noted |= {"fault": "", "faulty_since": None}
    EvidenceChain.objects.filter(pk=chain.pk).update(**noted)
    return finding


def _find(chain: EvidenceChain, *, full: bool) -> ChainFinding:
    if chain.length < chain.verified_length:
        return ChainFinding(0, f"link {chain.length + 1} is missing: it was verified before")
    checked, number = 0, 0 if full else chain.verified_length
    before = "" if full else chain.verified_head
    # One appended meanwhile is not yet in the length that was read before.
    links = EvidenceLink.objects.filter(
        instance=chain.instance, number__gt=number, number__lte=chain.length
    ).order_by("number")
    for link in links.select_related(*_ROWS, *(f"{name}__copy__backup" for name in _ROWS)).iterator(
        chunk_size=500
    ):
        number += 1
        if link.number != number:
            return ChainFinding(checked, f"link {number} is missing")
        if fault := _fault_of(link, str(chain.instance.uuid), before):
            return ChainFinding(checked, fault)
        checked, before = checked + 1, link.digest
    if number < chain.length:
        return ChainFinding(checked, f"link {number + 1} is missing")
    if before != chain.head:
        return ChainFinding(
            checked, f"link {number} is not the one that was appended last: the end was exchanged"
        )
    if EvidenceLink.objects.filter(instance=chain.instance, number__gt=chain.length).exists() and (
        not EvidenceChain.objects.filter(pk=chain.pk, length__gt=chain.length).exists()
    ):
        return ChainFinding(checked, f"links after {chain.length} were put in past the end")
    return ChainFinding(checked, next(_unlinked(chain), "") if full else "")


def _fault_of(link: EvidenceLink, chain: str, before: str) -> str:
    """Return what is wrong with one link; blank if nothing is."""
    row = link.row
    if row is None:
        return f"link {link.number}: its row is gone"
    if digest_of(content_of(row)) != link.content_digest:
        return f"link {link.number}: {_named(row)} was changed after it was recorded"
    if link.previous != before:
        return f"link {link.number}: it does not follow link {link.number - 1}, which was exchanged"
    if link.digest != digest_of_link(chain, link.number, link.content_digest, before):
        return f"link {link.number}: its hash is not that of {_named(row)}"
    return ""


def _unlinked(chain: EvidenceChain) -> Iterator[str]:
    """Yield the rows that no link has: nothing in Mooring writes one."""
    mine = Q(instance=chain.instance)
    sources = (
        Evidence.objects.filter(copy__backup__instance=chain.instance),
        Drill.objects.filter(mine),
        Rehearsal.objects.filter(mine),
    )
    for rows in sources:
        row: EvidenceRow | None = rows.filter(link=None).order_by("pk").first()
        if row is not None:
            yield f"{_named(row)} is in no link: it was put in by hand"


def _named(row: EvidenceRow) -> str:
    kind = row.get_operation_display().lower() if isinstance(row, Evidence) else ""
    name = f"the {kind or row._meta.verbose_name} {row.pk}"
    return f"{name} of {row.copy.backup.label}, {row.created_at:%Y-%m-%d %H:%M}Z,"
