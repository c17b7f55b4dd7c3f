"""The fleet: every instance on one page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from monitor.roles import Role, needs
from monitor.selectors.fleet import count_states, list_fleet
from monitor.selectors.repositories import list_repositories


@require_safe
@needs(Role.VIEWER)
def fleet(request: HttpRequest) -> HttpResponse:
    return render(request, "monitor/fleet.html", _context())


@require_safe
@needs(Role.VIEWER)
def fleet_live(request: HttpRequest) -> HttpResponse:
    """The live region alone: what the open page swaps in."""
    return render(request, "monitor/partials/fleet_live.html", _context())


def _context() -> dict[str, object]:
    rows = list_fleet(now())
    return {"rows": rows, "counts": count_states(rows), "repositories": list_repositories()}
