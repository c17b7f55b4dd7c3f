"""A made-up chain for the style guide: every state and line of one."""

from __future__ import annotations

from datetime import datetime, timedelta

from backups.models import Backup
from monitor.selectors.chain_links import ChainLink
from monitor.selectors.chains import Chain

GIB = 1024**3
# Letter, kind, status, word, percent, and the lines to the next one and from the full one.
_LINKS = (
    ("F", "full", "passed", "restore-tested", 100, "sound", "start"),
    ("I", "incremental", "failed", "verify failed", 4, "bad", "through"),
    ("I", "incremental", "failed", "not restorable", 3, "", "through"),
    ("D", "differential", "passed", "verified", 9, "sound", "end"),
    ("I", "incremental", "unproven", "not proven", 2, "", ""),
)


def sample_chain(now: datetime) -> Chain:
    """Return a chain of which no backup exists."""
    links = []
    for number, (letter, kind, status, word, percent, after, bus) in enumerate(_LINKS):
        backup = Backup(
            pk=number,
            label=f"shop-1@2026030{number + 1}T010000Z-{letter}",
            kind=kind,
            ended_at=now - timedelta(days=len(_LINKS) - number),
            stored_bytes=percent * GIB,
            pinned=number == 0,
        )
        last = number == len(_LINKS) - 1
        needed = number in (0, len(_LINKS) - 2)
        links.append(
            ChainLink(
                backup, letter, status, word, percent, after, bus, None, current=last, needed=needed
            )
        )
    why = f"{links[1].backup.label} failed its verify in main"
    return Chain(links, 0, len(links), 118 * GIB, ("main", "offsite (1 of 5)"), 2, why)
