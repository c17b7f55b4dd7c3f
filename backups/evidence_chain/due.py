"""Which chains of evidence does a tick verify?

Those with new links, from where the last verification ended; and the few whose full verification
is the longest ago, so that each is verified from its first link once a week.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from backups.evidence_chain.verify import verify_chain
from backups.models import EvidenceChain

logger = logging.getLogger(__name__)

FULL_EVERY = timedelta(days=7)
# Per tick; the next one continues. At one tick in 10 minutes, 10,000 chains are done in a week.
NEW_AT_ONCE = 500
FULL_AT_ONCE = 20


def verify_due(now: datetime) -> int:
    """Verify the chains that are due; return how many links were checked."""
    chains = EvidenceChain.objects.select_related("instance")
    # Every verification moves what it found in order up to the end, unless it found a fault.
    fresh = chains.filter(fault="", length__gt=F("verified_length"))
    # Whoever set the clock back must not put a verification off.
    old = chains.filter(
        Q(fully_verified_at=None)
        | Q(fully_verified_at__lt=now - FULL_EVERY)
        | Q(fully_verified_at__gt=now)
    )
    return _verify(fresh.order_by("pk")[:NEW_AT_ONCE], now, full=False) + _verify(
        old.order_by(F("fully_verified_at").asc(nulls_first=True), "pk")[:FULL_AT_ONCE],
        now,
        full=True,
    )


def _verify(chains: QuerySet[EvidenceChain], now: datetime, *, full: bool) -> int:
    checked = 0
    for chain in chains:
        finding = verify_chain(chain, now, full=full)
        checked += finding.checked
        if finding.fault:
            logger.error(
                "evidence of %s: %s",
                chain.instance.name,
                finding.fault,
                extra={"action": "evidence_chain_broken", "instance_id": chain.instance_id},
            )
    return checked
