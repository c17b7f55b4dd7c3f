"""How does a new row of evidence become the next link of its instance's chain?"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.utils.timezone import now

from backups.evidence_chain.content import EvidenceRow, content_of, digest_of, digest_of_link
from backups.models import Drill, Evidence, EvidenceChain, EvidenceLink, Instance


@transaction.atomic
def append(row: EvidenceRow) -> EvidenceLink:
    """Link a row that was just written.

    Called in the transaction that writes the row: neither is ever there without the other.
    """
    instance = row.copy.backup.instance if isinstance(row, Evidence) else row.instance
    chain = _locked(instance)
    link = _next_link(row, instance, chain)
    link.save(force_insert=True)
    chain.length, chain.head = link.number, link.digest
    chain.save(update_fields=["length", "head"])
    return link


@transaction.atomic
def append_all(instance: Instance, rows: Iterable[EvidenceRow]) -> None:
    """Link many rows of one instance at once, in their order."""
    chain = _locked(instance)
    links = []
    for row in rows:
        links.append(_next_link(row, instance, chain))
        chain.length, chain.head = links[-1].number, links[-1].digest
    EvidenceLink.objects.bulk_create(links, batch_size=500)
    chain.save(update_fields=["length", "head"])


def _locked(instance: Instance) -> EvidenceChain:
    _, made = EvidenceChain.objects.get_or_create(instance=instance)
    # Held to the end of the transaction: who comes second sees the first one's link.
    chain = EvidenceChain.objects.select_for_update(of=("self",)).get(instance=instance)
    last = EvidenceLink.objects.filter(instance=instance).order_by("-number").first()
    if made and last is not None:
        # What is recorded next must be recorded; that the row was removed is said all the same.
        chain.length, chain.head = last.number, last.digest
        chain.fault, chain.faulty_since = f"the end of the chain, {last.number}, was removed", now()
        chain.save(update_fields=["length", "head", "fault", "faulty_since"])
    return chain


def _next_link(row: EvidenceRow, instance: Instance, chain: EvidenceChain) -> EvidenceLink:
    number, content = chain.length + 1, digest_of(content_of(row))
    return EvidenceLink(
        instance=instance,
        number=number,
        evidence=row if isinstance(row, Evidence) else None,
        drill=row if isinstance(row, Drill) else None,
        rehearsal=None if isinstance(row, Evidence | Drill) else row,
        content_digest=content,
        previous=chain.head,
        digest=digest_of_link(str(instance.uuid), number, content, chain.head),
    )
