"""The fleet: every instance on one page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from monitor.roles import Role, needs
from monitor.selectors.fleet import load_fleet
from monitor.selectors.repositories import list_repositories


@require_safe
@needs(Role.VIEWER)
def fleet(request: HttpRequest) -> HttpResponse:
    return render(request, "monitor/fleet.html", _context(request))


@require_safe
@needs(Role.VIEWER)
def fleet_live(request: HttpRequest) -> HttpResponse:
    """The live region alone: what the open page swaps in."""
    return render(request, "monitor/partials/fleet_live.html", _context(request))


def _context(request: HttpRequest) -> dict[str, object]:
    return {"fleet": load_fleet(request.GET, now()), "repositories": list_repositories()}
