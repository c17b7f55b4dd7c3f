"""What else did an engine find out that people ask for? Of a clone: how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineFact:
    """One fact in the words of a page. ``bytes`` is written as a size."""

    name: str
    text: str = ""
    bytes: int | None = None
    # A GTID set, a UUID: as long as it likes to be.
    wide: bool = False


# By the engine's own names, in the order of reading.
_TEXTS = {"protocol": "Clone protocol", "server_uuid": "Server UUID"}
_SIZES = {"page_size": "Page size", "redo_bytes": "Redo"}


def engine_facts(facts: Mapping[str, str]) -> list[EngineFact]:
    """Return the facts there are; what an engine does not know is not shown."""
    found = [EngineFact(name, facts[key]) for key, name in _TEXTS.items() if facts.get(key)]
    found += [
        EngineFact(name, bytes=int(facts[key]))
        for key, name in _SIZES.items()
        if facts.get(key, "").isdigit()
    ]
    if (again := facts.get("pages_sent_again", "")).isdigit():
        found.append(EngineFact("Pages sent again", f"{int(again):,}"))
    for key, name in (
        ("gtid_executed_before", "GTID set at the start"),
        ("gtid_executed_after", "GTID set at the end"),
    ):
        if facts.get(key):
            found.append(EngineFact(name, facts[key], wide=True))
    return found
