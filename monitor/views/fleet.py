"""The fleet, and each group: every instance in one table."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from backups.models import InstanceGroup
from monitor.access.roles import Role, needs
from monitor.selectors.fleet import load_fleet
from monitor.selectors.overview import load_overview
from monitor.selectors.repositories import list_repositories


@require_safe
@needs(Role.VIEWER)
def fleet(request: HttpRequest) -> HttpResponse:
    return render(request, "monitor/fleet.html", _context(request, None))


@require_safe
@needs(Role.VIEWER)
def fleet_live(request: HttpRequest) -> HttpResponse:
    """Render the live region only."""
    return render(request, "monitor/partials/fleet_live.html", _context(request, None))


@require_safe
@needs(Role.VIEWER)
def group_detail(request: HttpRequest, group: str) -> HttpResponse:
    """Render the fleet page for one group."""
    return render(request, "monitor/fleet.html", _context(request, group))


@require_safe
@needs(Role.VIEWER)
def group_live(request: HttpRequest, group: str) -> HttpResponse:
    return render(request, "monitor/partials/fleet_live.html", _context(request, group))


def _context(request: HttpRequest, name: str | None) -> dict[str, object]:
    group = get_object_or_404(InstanceGroup, name=name) if name is not None else None
    at = now()
    return {
        "group": group,
        "fleet": load_fleet(request.GET, at, group),
        "overview": load_overview(at, group),
        "groups": [] if group else list(InstanceGroup.objects.all()[:100]),
        "repositories": [] if group else list_repositories(),
        "address": reverse("group-detail", args=[name]) if name else reverse("fleet"),
        "live_address": reverse("group-live", args=[name]) if name else reverse("fleet-live"),
    }
