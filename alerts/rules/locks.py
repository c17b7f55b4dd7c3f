"""Are the locks of stored objects renewed while retention keeps the backups?"""

from __future__ import annotations

from alerts.facts.site import RepositoryFacts
from alerts.rules.base import STATE_DAMPING, Finding, Limits, Rule
from alerts.states import Severity


def check_renewal(facts: RepositoryFacts, limits: Limits) -> Finding | None:
    if not facts.lock_fault:
        return None
    return Finding(message=f"locks could not be renewed: {facts.lock_fault}")


LOCKS_NOT_RENEWED = Rule(
    name="locks_not_renewed",
    title="Locks in the store are not renewed",
    about=RepositoryFacts,
    check=check_renewal,
    severity=Severity.CRITICAL,
    explanation="The objects of the repository are locked in its store for some days, and longer "
    "while retention keeps them. When a lock has ended, whoever has the credentials can delete the "
    "backup.",
    hint="Allow the key to set and read the retention of objects, and check that the bucket still "
    "has object lock and versioning; renewing is tried again every 10 minutes.",
    resolves_when="The locks have been renewed for 5 minutes.",
    damping=STATE_DAMPING,
)
RULES = (LOCKS_NOT_RENEWED,)
