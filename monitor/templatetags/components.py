"""The components of pages; docs/pages.md shows how to use each in a template."""

from __future__ import annotations

from typing import Any

from django import template
from django.core.paginator import Page
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple
from django.template import Context
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.utils.timezone import now

from monitor.navigation import Link, list_links
from monitor.selectors.shell import SchedulerState, count_firing, load_scheduler_state
from monitor.sorting import Sorting

register = template.Library()


@register.simple_tag(takes_context=True)
def nav_links(context: Context) -> list[Link]:
    """Return the sections of the site for this user, with the current one marked."""
    match = context["request"].resolver_match
    return list_links(context["user"], (match and match.url_name) or "")


@register.inclusion_tag("components/alert_count.html")
def alert_count() -> dict[str, int]:
    """Count firing alerts, for the navigation."""
    firing, critical = count_firing()
    return {"firing": firing, "critical": critical}


@register.simple_tag
def ticks() -> SchedulerState:
    """Return when the scheduler last ran, for the notice on every page."""
    return load_scheduler_state(now())


# Any: a template context is whatever the component's template reads.
@register.inclusion_tag("components/breadcrumbs.html")
def breadcrumbs(*trail: str) -> dict[str, Any]:
    """Render breadcrumbs: label, address, label, address, … and last the page itself."""
    steps = [(trail[n], trail[n + 1]) for n in range(0, len(trail) - 1, 2)]
    return {"steps": steps, "here": trail[-1] if len(trail) % 2 else ""}


@register.inclusion_tag("components/tile.html")
def tile(word: str, value: object, **shown: object) -> dict[str, Any]:
    """Render a figure with its label.

    ``note`` is shown below it, ``tone`` says whether it is good; with an ``address`` the tile is a
    filter, and ``current`` if that filter is active.
    """
    return {"word": word, "value": value, **shown}


@register.inclusion_tag("components/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """Render a field of a form with its label, help text and errors."""
    widget = bound.field.widget
    return {
        "field": bound,
        "checkbox": isinstance(widget, CheckboxInput),
        # Long lists of checkboxes scroll in their own frame.
        "boxes": isinstance(widget, CheckboxSelectMultiple),
    }


@register.inclusion_tag("components/pager.html", takes_context=True)
def pager(
    context: Context, page: Page[Any], *, key: str = "page", name: str = ""
) -> dict[str, Any]:
    """Render the pager of a table; the other query parameters are kept."""
    return {
        "page": page,
        "name": name or key,
        "newer": _with(context, key, page.previous_page_number() if page.has_previous() else 0),
        "older": _with(context, key, page.next_page_number() if page.has_next() else 0),
    }


@register.simple_tag(takes_context=True)
def sort_head(
    context: Context, sorting: Sorting, column: str, word: str, kind: str = "text"
) -> SafeString:
    """Render the header of a sortable column; the order is in the query string."""
    state = sorting.state_of(column)
    return format_html(
        '<th scope="col"{}{}><a href="{}">{}</a></th>',
        format_html(' class="{}"', kind) if kind != "text" else "",
        format_html(' aria-sort="{}"', state) if state else "",
        _with(context, sorting.key, sorting.next_of(column)),
        word,
    )


@register.simple_block_tag
def card(content: str, title: str = "", **attributes: str) -> SafeString:
    """Render a card with an optional title."""
    head = format_html("<h2>{}</h2>", title) if title else ""
    mark = format_html(' id="{}"', attributes["id"]) if "id" in attributes else ""
    return format_html('<section class="card"{}>{}{}</section>', mark, head, content)


@register.simple_block_tag
def empty_state(content: str, title: str, icon: str = "") -> str:
    """Render an empty state; the block says what to do next."""
    context = {"title": title, "icon_name": icon, "content": content}
    return render_to_string("components/empty.html", context)


@register.simple_block_tag(takes_context=True)
def confirm(
    context: Context,
    content: str,
    word: str,
    action: str,
    *,
    name: str = "",
    title: str = "",
    **words: str,
) -> str:
    """Render a button that opens a dialog; with ``name``, the object's name has to be entered.

    Without scripts the button is a link to the same page with the dialog open. ``keep`` is the
    label of the button that changes nothing, ``back`` the page with the dialog.
    """
    request = context["request"]
    mark = slugify(action.replace("/", " "))
    shown = {
        "content": content,
        "word": word,
        "action": action,
        "name": name,
        "title": title or f"{word}?",
        "mark": mark,
        "open": request.GET.get("confirm") == mark,
        "open_address": _with(context, "confirm", mark),
        "keep": words.get("keep", "Keep as it is"),
        "back": words.get("back", request.path),
        # For a harmless action: ``plain``.
        "kind": words.get("kind", "danger"),
    }
    return render_to_string("components/confirm.html", shown, request=request)


def _with(context: Context, key: str, word: object) -> str:
    """Return the query string with one parameter changed, or removed if ``word`` is blank."""
    query = context["request"].GET.copy()
    query.pop(key, None)
    query.pop("confirm", None)
    if word:
        query[key] = str(word)
    return f"?{query.urlencode()}"
