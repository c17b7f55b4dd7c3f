"""Which facts recorded by an engine are shown on pages?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineFact:
    """One fact with its label. ``bytes`` is shown as a size."""

    name: str
    text: str = ""
    bytes: int | None = None
    # A value of any length, such as a GTID set.
    wide: bool = False


# By the names the engine uses, in display order.
_TEXTS = {"protocol": "Clone protocol", "server_uuid": "Server UUID"}
_SIZES = {"page_size": "Page size", "redo_bytes": "Redo"}


def engine_facts(facts: Mapping[str, str]) -> list[EngineFact]:
    """Return the known facts; blank ones are not shown."""
    rows = [EngineFact(name, facts[key]) for key, name in _TEXTS.items() if facts.get(key)]
    rows += [
        EngineFact(name, bytes=int(facts[key]))
        for key, name in _SIZES.items()
        if facts.get(key, "").isdigit()
    ]
    if (resent := facts.get("pages_sent_again", "")).isdigit():
        rows.append(EngineFact("Pages sent again", f"{int(resent):,}"))
    for key, name in (
        ("gtid_executed_before", "GTID set at the start"),
        ("gtid_executed_after", "GTID set at the end"),
    ):
        if facts.get(key):
            rows.append(EngineFact(name, facts[key], wide=True))
    return rows
