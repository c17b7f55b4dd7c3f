"""Parts of the pages about schedules and alerts: days, slots, tiles."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import template
from django.template import Context
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import get_current_timezone_name, localtime

from alerts.models import Silence
from alerts.states import Severity
from backups.schedule import DueTime, Rhythm
from backups.states import BackupKind
from monitor.selectors.alerts import SeverityTile
from monitor.selectors.calendar import CalendarRow, Cell
from monitor.selectors.schedules import PunctualityRecord
from monitor.templatetags.parts import badge
from monitor.templatetags.units import moment
from monitor.wording.kinds import kind_in_words
from monitor.wording.lengths import format_configured_length
from monitor.wording.rhythms import rhythm_in_words
from monitor.wording.tones import tone_of

register = template.Library()

# Markup that a page repeats hundreds of times is built once.
_PLAIN, _FULL = mark_safe(""), mark_safe(' class="full"')  # nosec B308
_TODAY, _WEEK = mark_safe(' class="today"'), mark_safe(' class="week"')  # nosec B308
_SHARES = [_PLAIN, *(format_html(' data-share="{}"', share) for share in (1, 2, 3))]
# Words with a shape of their own, defined in planning.css.
_OWN_SHAPES = {
    word: format_html(' data-word="{}"', word) for word in ("missed", "refused", "due", "paused")
}


@register.simple_tag
def punctuality_strip(punctuality: PunctualityRecord) -> SafeString:
    """Render 30 days as bars, the higher the worse, with a summary in words."""
    bars = format_html_join(
        "",
        '<i data-tone="{}"{} title="{}"></i>',
        (
            (
                tone_of(square.word) if square.word else "none",
                _SHARES[square.share],
                f"{square.day:%a} {square.day.day} {square.day:%b}: {square.counts or 'nothing'}",
            )
            for square in punctuality.squares
        ),
    )
    percent = punctuality.percent_on_time
    figure = "" if percent is None else format_html("<b>{} % on time</b> ", percent)
    return format_html(
        '<div class="strip" aria-hidden="true">{}</div><div class="minor">{}{}</div>',
        bars,
        figure,
        punctuality.words,
    )


@register.simple_tag
def calendar_cells(row: CalendarRow, today: date) -> SafeString:
    """Render the days of one instance, without a template: a page has hundreds."""
    name = row.instance.name
    return format_html_join(
        "", "<td{}>{}</td>", ((_column(cell.day, today), _mark(cell, name)) for cell in row.cells)
    )


@register.inclusion_tag("monitor/partials/slots.html")
def slot_table(slots: list[DueTime], zone_name: str = "", kind: str = "") -> dict[str, Any]:
    """List planned runs: in the user's time zone, in that of the schedule if different, in UTC.

    ``kind`` is that of the runs which are not of full backups.
    """
    reader = get_current_timezone_name()
    # Day of the week and year are in the first column.
    utc = "%m-%d %H:%M" if reader != "UTC" else "%a %Y-%m-%d %H:%M"
    rows = [
        {
            "slot": slot,
            "kind": kind_in_words(BackupKind.FULL if slot.full else kind),
            "here": f"{localtime(slot.at):%a %Y-%m-%d %H:%M}",
            "there": f"{slot.local:%a %Y-%m-%d %H:%M}",
            "utc": slot.at.astimezone(UTC).strftime(utc),
        }
        for slot in slots
    ]
    there = zone_name if zone_name not in ("", reader, "UTC") else ""
    return {"rows": rows, "reader": "" if reader == "UTC" else reader, "there": there}


@register.filter
def configured_length(length: timedelta | None) -> str:
    """Return a configured length of time: 4 h."""
    return "" if length is None else format_configured_length(length)


@register.filter
def make_words(text: str) -> list[str]:
    """Split a line into words."""
    return text.split()


@register.inclusion_tag("components/tabs.html")
def alert_tabs(current: str) -> dict[str, Any]:
    """Render the tabs of the alert pages."""
    tabs = [
        {"word": word, "address": reverse(name), "current": name == current, "count": None}
        for word, name in ALERT_TABS
    ]
    return {"tabs": tabs, "label": "Alerts"}


@register.inclusion_tag("components/tile.html", takes_context=True)
def severity_tile(context: Context, tile: SeverityTile, chosen: int | None) -> dict[str, Any]:
    """Render the count of open alerts of one severity; a click toggles the filter."""
    query = context["request"].GET.copy()
    current = chosen == tile.value
    for word in ("severity", "page"):
        query.pop(word, None)
    if not current:
        query["severity"] = str(tile.value)
    return {
        "word": tile.word,
        "value": tile.count,
        "tone": tile.tone,
        "note": tile.note,
        "current": current,
        "address": f"{reverse('alerts')}?{query.urlencode()}",
    }


@register.simple_tag
def severity_badge(severity: int) -> SafeString:
    return badge(Severity(severity).label.lower())


@register.simple_tag
def fact_value(value: object) -> SafeString | str:
    """Render a fact of a rule; timestamps in the user's time zone, numbers with separators."""
    if value is None or value == "":
        return format_html('<span class="unknown">{}</span>', "unknown" if value is None else "—")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and (at := _moment_in(value)):
        return moment(at)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


@register.simple_tag
def silence_rhythm(silence: Silence) -> str:
    return rhythm_in_words(Rhythm(silence.cron, silence.time_zone, None, silence.starts_at))


def _column(day: date, today: date) -> SafeString:
    if day == today:
        return _TODAY
    return _WEEK if day.weekday() == 0 else _PLAIN


def _mark(cell: Cell, name: str) -> SafeString:
    if not cell.word:
        return _PLAIN
    return format_html(
        '<a{}{} data-tone="{}" title="{}: {}{}" href="{}/{}/">{}</a>',
        _OWN_SHAPES.get(cell.word, _PLAIN),
        _FULL if cell.full else _PLAIN,
        tone_of(cell.word),
        cell.day.day,
        cell.counts or cell.word,
        f" ({cell.kinds})" if cell.kinds else "",
        name,
        cell.day.isoformat(),
        cell.word,
    )


def _moment_in(text: str) -> datetime | None:
    if not ISO_MOMENT.match(text):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


ALERT_TABS = (
    ("Open", "alerts"),
    ("History", "alert-history"),
    ("Silences", "silences"),
    ("Rules", "rules"),
    ("Channels", "channels"),
)
ISO_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
