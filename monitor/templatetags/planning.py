"""Parts of the pages about what is planned and how it stands: days, slots, alerts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.template import Context
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import get_current_timezone_name, localtime

from alerts.models import Silence
from alerts.states import Severity
from backups.schedule import Rhythm, Slot
from monitor.lengths import chosen_length
from monitor.rhythm_words import rhythm_in_words
from monitor.selectors.alerts import SeverityTile
from monitor.selectors.schedules import Punctuality
from monitor.templatetags.parts import badge
from monitor.templatetags.units import moment
from monitor.tones import tone_of

register = template.Library()


@register.simple_tag
def punctuality_strip(punctuality: Punctuality) -> SafeString:
    """Draw 30 days as bars, higher the worse, with the sum of them in words."""
    bars = format_html_join(
        "",
        '<i data-tone="{}" data-share="{}" title="{}"></i>',
        (
            (
                tone_of(square.word) if square.word else "none",
                square.share,
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


@register.inclusion_tag("monitor/partials/slots.html")
def slot_table(slots: list[Slot], zone_name: str = "") -> dict[str, Any]:
    """List coming runs: by the reader's clock, by the schedule's where that differs, and UTC."""
    reader = get_current_timezone_name()
    rows = [
        {
            "slot": slot,
            "here": f"{localtime(slot.at):%a %Y-%m-%d %H:%M}",
            "there": f"{slot.local:%a %Y-%m-%d %H:%M}",
            "utc": f"{slot.at.astimezone(UTC):%a %Y-%m-%d %H:%M}",
        }
        for slot in slots
    ]
    there = zone_name if zone_name not in ("", reader, "UTC") else ""
    return {"rows": rows, "reader": "" if reader == "UTC" else reader, "there": there}


@register.filter
def chosen(length: timedelta | None) -> str:
    """Write a length of time that somebody chose: 4 h."""
    return "" if length is None else chosen_length(length)


@register.filter
def make_words(text: str) -> list[str]:
    """Take a line of words apart."""
    return text.split()


@register.inclusion_tag("components/tabs.html")
def alert_tabs(current: str) -> dict[str, Any]:
    """Lead through what belongs to alerts."""
    tabs = [
        {"word": word, "address": reverse(name), "current": name == current, "count": None}
        for word, name in ALERT_TABS
    ]
    return {"tabs": tabs, "label": "Alerts"}


@register.inclusion_tag("components/tile.html", takes_context=True)
def severity_tile(context: Context, tile: SeverityTile, chosen: int | None) -> dict[str, Any]:
    """Count what stands of one severity; a click filters, another one ends that."""
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
    """Write something a rule saw; a moment in the reader's zone, a size as people read it."""
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
        return ", ".join(str(each) for each in value) or "none"
    return str(value)


@register.simple_tag
def silence_rhythm(silence: Silence) -> str:
    return rhythm_in_words(Rhythm(silence.cron, silence.time_zone, None, silence.starts_at))


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
