"""How is a configured length of time written? In whole units, without zero parts."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def format_configured_length(length: timedelta) -> str:
    """Return ``4 h``, ``1 h 30 min`` or ``30 d``; for measured times use ``backups.units``."""
    rest, parts = int(length.total_seconds()), []
    for unit, seconds in _UNITS:
        count, rest = divmod(rest, seconds)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"
