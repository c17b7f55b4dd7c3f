"""How are sizes, durations and counts written for people? The same everywhere."""

from __future__ import annotations

from datetime import timedelta

_SIZES = ("KiB", "MiB", "GiB", "TiB", "PiB")


def format_bytes(size_bytes: int | None) -> str:
    """Write a size: ``812 B``, ``1.4 GiB``; None is unknown."""
    if size_bytes is None:
        return "unknown"
    if abs(size_bytes) < 1024:
        return f"{size_bytes} B"
    size, power = size_bytes / 1024, 0
    # 1023.95 would be rounded up to "1024.0" although there is a larger unit.
    while abs(size) >= 1023.95 and power < len(_SIZES) - 1:
        size, power = size / 1024, power + 1
    return f"{size:.1f} {_SIZES[power]}"


def format_duration(length: timedelta | None) -> str:
    """Write a duration in its two largest units: ``0.8 s``, ``3 min 12 s``, ``1 h 04 min``.

    None is unknown.
    """
    if length is None:
        return "unknown"
    seconds = length.total_seconds()
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def format_count(count: int, noun: str, plural: str = "") -> str:
    """Write how many: ``1 job``, ``1,200 jobs``; ``plural`` where it is not the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
