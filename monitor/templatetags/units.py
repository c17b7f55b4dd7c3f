"""How are sizes, lengths of time and moments written on pages?

The rounded figure is for reading; the exact one is in the title of the element.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import now

from backups.units import format_bytes, format_duration

register = template.Library()

UNKNOWN = mark_safe('<span class="unknown">unknown</span>')


@register.filter
def size(size_bytes: int | None) -> SafeString:
    """Write bytes: 1.4 GiB."""
    if size_bytes is None:
        return UNKNOWN
    return format_html(
        '<data value="{}" title="{} bytes">{}</data>',
        size_bytes,
        f"{size_bytes:,}",
        format_bytes(size_bytes),
    )


@register.filter
def rate(bytes_per_s: int | None) -> SafeString:
    """Write a rate: 210.0 MiB/s."""
    if bytes_per_s is None:
        return UNKNOWN
    return format_html(
        '<data value="{}" title="{} bytes per second">{}/s</data>',
        bytes_per_s,
        f"{bytes_per_s:,}",
        format_bytes(bytes_per_s),
    )


@register.filter
def duration(length: timedelta | None) -> SafeString:
    """Write a length of time: 1 h 04 min."""
    if length is None:
        return UNKNOWN
    return format_html(
        '<span title="{} seconds">{}</span>',
        f"{length.total_seconds():,.3f}",
        format_duration(length),
    )


@register.filter
def moment(at: datetime | None) -> SafeString:
    """Write a moment in UTC, to the second; static/js/times.js adds the reader's own time."""
    return _time(at, f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC") if at else UNKNOWN


@register.filter
def age(at: datetime | None) -> SafeString:
    """Write how long ago a moment was: 3 h ago."""
    return _time(at, age_in_words(now() - at)) if at else UNKNOWN


def age_in_words(length: timedelta) -> str:
    """One unit is enough to judge an age: ``3 min ago``, ``26 h ago``, ``9 days ago``."""
    seconds = int(length.total_seconds())
    if seconds < 0:
        return f"in {format_duration(-length)}"
    if seconds < 10:
        return "just now"
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    # Up to two days in hours: 26 h is late where "1 day" would look fine.
    if seconds < 172_800:
        return f"{seconds // 3600} h ago"
    return f"{seconds // 86_400} days ago"


@register.filter
def ratio(raw_bytes: int, stored_bytes: int) -> str:
    """Write how many times smaller the stored bytes are."""
    return f"{raw_bytes / stored_bytes:.1f} : 1" if stored_bytes else "unknown"


def _time(at: datetime, words: str) -> SafeString:
    utc = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(timespec="seconds"),
        f"{utc:%Y-%m-%d %H:%M:%S}",
        words,
    )
