"""What else did an engine find out that people ask for? Of a clone: how it went."""

from __future__ import annotations

from dataclasses import dataclass

from backups.engines.clone import CloneDetails
from backups.engines.details import CopyDetails


@dataclass(frozen=True, slots=True)
class EngineFact:
    """One fact in the words of a page. ``bytes`` is written as a size."""

    name: str
    text: str = ""
    bytes: int | None = None
    # A GTID set, a UUID: as long as it likes to be.
    wide: bool = False


def engine_facts(details: CopyDetails) -> list[EngineFact]:
    """Return the facts there are, in the order of reading; what is not known is not shown."""
    if not isinstance(details, CloneDetails):
        return []
    again = details.pages_sent_again
    facts = [
        EngineFact("Clone protocol", details.protocol or ""),
        EngineFact("Server UUID", details.server_uuid or ""),
        EngineFact("Page size", bytes=details.page_size),
        EngineFact("Redo", bytes=details.redo_bytes),
        EngineFact("Pages sent again", "" if again is None else f"{again:,}"),
        EngineFact("GTID set at the start", details.gtid_executed_before or "", wide=True),
        EngineFact("GTID set at the end", details.gtid_executed_after or "", wide=True),
    ]
    return [fact for fact in facts if fact.text or fact.bytes is not None]
