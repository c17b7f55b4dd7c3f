"""The activity page: every change, restore and login."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from monitor.access.roles import Role, needs
from monitor.selectors.activity import Filters, list_choices, load_activity, verbs


@require_safe
@needs(Role.VIEWER)
def activity(request: HttpRequest) -> HttpResponse:
    names = ("who", "what", "instance")
    filters = Filters(**{name: request.GET.get(name, "")[:200] for name in names})
    page = load_activity(filters, _before(request))
    older = urlencode({**filters.chosen, "before": page.older}) if page.older else ""
    context = {"filters": filters, "page": page, "older": older, "verbs": verbs()}
    return render(request, "monitor/activity.html", context | list_choices())


def _before(request: HttpRequest) -> int | None:
    word = request.GET.get("before", "")
    if not word:
        return None
    # A longer number is not a valid id: the database would reject it.
    if not (word.isascii() and word.isdigit() and len(word) <= 18):
        raise Http404("before is not a row number")
    return int(word)
