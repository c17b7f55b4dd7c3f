"""How is a length of time that somebody chose written? Whole, and without what is nought."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def chosen_length(length: timedelta) -> str:
    """Write ``4 h``, ``1 h 30 min``, ``30 d``: what was measured has backups.units."""
    left, words = int(length.total_seconds()), []
    for unit, seconds in _UNITS:
        count, left = divmod(left, seconds)
        if count:
            words.append(f"{count} {unit}")
    return " ".join(words) or "0 s"
