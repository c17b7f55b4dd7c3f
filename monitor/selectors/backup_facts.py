"""Which facts recorded by an engine are shown on pages?"""

from __future__ import annotations

from dataclasses import dataclass

from backups.engines.clone import CloneDetails
from backups.engines.details import CopyDetails
from backups.engines.mariadb_backup import MariadbDetails
from backups.units import format_bytes


@dataclass(frozen=True, slots=True)
class EngineFact:
    """One fact with its label. ``bytes`` is shown as a size."""

    name: str
    text: str = ""
    bytes: int | None = None
    # A value of any length, such as a GTID set.
    wide: bool = False


def engine_facts(details: CopyDetails) -> list[EngineFact]:
    """Return the known facts, in display order; unknown ones are not shown."""
    if isinstance(details, MariadbDetails):
        return _optimistic_facts(details)
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


def _optimistic_facts(details: MariadbDetails) -> list[EngineFact]:
    if details.optimistic is None:
        return []
    quiet = f"{details.quiet_tables or 0:,}, {format_bytes(details.quiet_bytes)}"
    return [
        EngineFact("Optimistic", "yes" if details.optimistic else "no, a normal backup was taken"),
        EngineFact("Quiet tables", quiet),
        EngineFact("Late attempts", str(details.late_attempts or 0)),
    ]
