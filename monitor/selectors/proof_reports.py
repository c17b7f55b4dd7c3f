"""Which lines of a verify or restore test report are shown? The rest is shown as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_LINES = 24


def readable(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the facts of a report; nested ones include the name of their parent."""
    lines: list[tuple[str, str]] = []
    for name, value in report.items():
        if isinstance(value, Mapping):
            lines += [
                (_label(f"{name} {inner}"), _text(nested))
                for inner, nested in value.items()
                if not isinstance(nested, Mapping | list)
            ]
        elif isinstance(value, list):
            lines.append((_label(name), f"{len(value):,}"))
        else:
            lines.append((_label(name), _text(value)))
    return [(name, text) for name, text in lines if text][:MAX_LINES]


def _label(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return "" if value is None else str(value)[:200]
