"""How are sizes, durations and timestamps shown on pages?

The rounded value is shown; the exact one is in the tooltip. Timestamps are in the time zone of the
user, which ``monitor.preferences`` activates.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import get_current_timezone_name, localtime, now

from backups.units import format_bytes, format_duration

register = template.Library()

UNKNOWN = mark_safe('<span class="unknown">unknown</span>')  # nosec B308


@register.filter
def size(size_bytes: int | None) -> SafeString:
    """Render bytes: 1.4 GiB."""
    if size_bytes is None:
        return UNKNOWN
    return format_html(
        '<span title="{} bytes">{}</span>',
        f"{size_bytes:,}",
        format_bytes(size_bytes),
    )


@register.filter
def growth(size_bytes: int) -> SafeString:
    """Render a difference of sizes: +1.4 GiB."""
    if not size_bytes:
        return format_html("{}", "—")
    sign = "+" if size_bytes > 0 else "\N{MINUS SIGN}"
    exact = f"{sign}{abs(size_bytes):,}"
    return format_html(
        '<span title="{} bytes">{}{}</span>', exact, sign, format_bytes(abs(size_bytes))
    )


@register.filter
def rate(bytes_per_s: int | None) -> SafeString:
    """Render a rate: 210.0 MiB/s."""
    if bytes_per_s is None:
        return UNKNOWN
    return format_html(
        '<span title="{} bytes per second">{}/s</span>',
        f"{bytes_per_s:,}",
        format_bytes(bytes_per_s),
    )


@register.filter
def duration(length: timedelta | None) -> SafeString:
    """Render a duration: 1 h 04 min."""
    if length is None:
        return UNKNOWN
    return format_html(
        '<span title="{} seconds">{}</span>',
        f"{length.total_seconds():,.3f}",
        format_duration(length),
    )


@register.filter
def moment(at: datetime | None) -> SafeString:
    """Render a timestamp to the second: 2026-03-02 03:30:12."""
    return _time(at, f"{localtime(at):%Y-%m-%d %H:%M:%S}{_utc_mark()}") if at else UNKNOWN


@register.filter
def clock(at: datetime | None) -> SafeString:
    """Render the time of day, if the context shows the date: 03:30:12."""
    return _time(at, f"{localtime(at):%H:%M:%S}") if at else UNKNOWN


@register.filter
def log_clock(at: datetime) -> SafeString:
    """Render the time of a log line; milliseconds are in the tooltip."""
    exact = f"{localtime(at):%Y-%m-%d %H:%M:%S.%f}"[:-3]
    return format_html('<time title="{}">{}</time>', exact, f"{localtime(at):%H:%M:%S}")


@register.filter
def day(at: datetime | None) -> SafeString:
    """Render a timestamp relative to today: today 03:30, Sunday 01:14, 12 May 2025."""
    return _time(at, day_in_words(localtime(at), localtime(now()))) if at else UNKNOWN


@register.filter
def age(at: datetime | None) -> SafeString:
    """Render how long ago it was: 3 h ago."""
    return _time(at, age_in_words(now() - at)) if at else UNKNOWN


def age_in_words(length: timedelta) -> str:
    """Return an age in one unit: ``3 min ago``, ``26 h ago``, ``9 days ago``."""
    seconds = int(length.total_seconds())
    if seconds < 0:
        return f"in {format_duration(-length)}"
    if seconds < 10:
        return "just now"
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    # Up to two days in hours: "26 h" looks late, "1 day" would not.
    if seconds < 172_800:
        return f"{seconds // 3600} h ago"
    return f"{seconds // 86_400} days ago"


@register.filter
def ratio(raw_bytes: int, stored_bytes: int) -> str:
    """Render the compression ratio: 4.2 : 1."""
    return f"{raw_bytes / stored_bytes:.1f} : 1" if stored_bytes else "unknown"


@register.filter
def number(count: int | None) -> SafeString:
    """Render a count with thousands separators: 12,408."""
    return UNKNOWN if count is None else format_html("{}", f"{count:,}")


def day_in_words(at: datetime, now: datetime) -> str:
    """Return the day relative to ``now``, both in the user's time zone."""
    days = (now.date() - at.date()).days
    if days in _NEAR_DAYS:
        return f"{_NEAR_DAYS[days]} {at:%H:%M}"
    if 1 < days < 7:
        return f"{at:%A %H:%M}"
    return f"{at.day} {at:%b %Y}" if abs(days) > 180 else f"{at.day} {at:%b %H:%M}"


_NEAR_DAYS = {-1: "tomorrow", 0: "today", 1: "yesterday"}


def _utc_mark() -> str:
    """Return UTC as a suffix if the time zone of the user is not known."""
    return " UTC" if get_current_timezone_name() == "UTC" else ""


def _time(at: datetime, words: str) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        f"{localtime(at):%Y-%m-%d %H:%M:%S %Z}",
        words,
    )
