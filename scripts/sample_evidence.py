"""How does made-up evidence get into the chains of its instances?"""

from __future__ import annotations

from collections.abc import Sequence

from backups.evidence_chain.append import append_all
from backups.models import Evidence, Instance


def link_evidence(evidence: Sequence[Evidence]) -> None:
    """Link the rows in their order, as they would have been written one by one."""
    rows: dict[Instance, list[Evidence]] = {}
    for row in evidence:
        rows.setdefault(row.copy.backup.instance, []).append(row)
    for instance, mine in rows.items():
        append_all(instance, mine)
