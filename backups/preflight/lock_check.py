"""Does a session hold locks for which a backup would have to wait?"""

from __future__ import annotations

from backups.checks import Check, Verdict
from backups.instances.facts import LONG_HELD, ServerFacts
from backups.instances.lock_holders import describe_holders
from backups.units import format_duration

NAME = "locks"


def check_locks(facts: ServerFacts) -> Check:
    """Check for open transactions and table locks that are older than ``LONG_HELD``."""
    if facts.lock_holders is None:
        return Check(NAME, Verdict.UNKNOWN, "the account may not see them: PROCESS is missing")
    # Idle sessions without a transaction are what a pool keeps.
    holders = [holder for holder in facts.lock_holders if holder.certain or holder.in_transaction]
    if not holders and not facts.lists_transactions:
        found = "the server does not list its transactions (information_schema.INNODB_TRX)"
        return Check(NAME, Verdict.UNKNOWN, found)
    limit = format_duration(LONG_HELD)
    if not holders:
        return Check(NAME, Verdict.OK, f"no transaction or lock older than {limit} is known")
    return Check(
        NAME,
        Verdict.WARNING,
        f"a backup may wait for a lock, {describe_holders(holders)}",
        f"Let it finish first, or end that session (KILL {holders[0].id};).",
    )
