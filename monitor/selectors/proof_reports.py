"""What does a proof's report say, in lines that people read? The rest of it stays JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 24


def readable(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the plain facts of a report, those of one level down with their parent's name."""
    found: list[tuple[str, str]] = []
    for name, value in report.items():
        if isinstance(value, Mapping):
            found += [
                (_words(f"{name} {inner}"), _plain(deep))
                for inner, deep in value.items()
                if not isinstance(deep, Mapping | list)
            ]
        elif isinstance(value, list):
            found.append((_words(name), f"{len(value):,}"))
        else:
            found.append((_words(name), _plain(value)))
    return [(name, text) for name, text in found if text][:MOST]


def _words(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return "" if value is None else str(value)[:200]
