"""The switches for theme and density: remembered in the browser, by a POST."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from monitor.access.roles import Role, needs
from monitor.preferences import SWITCHES, remember
from monitor.views.requests import lead_back


@require_POST
@needs(Role.VIEWER)
def preferences_change(request: HttpRequest) -> HttpResponse:
    """Remember what was chosen and go back to where the reader was."""
    response = lead_back(request, "fleet")
    for name in SWITCHES.keys() & request.POST.keys():
        remember(response, name, request.POST[name])
    return response
