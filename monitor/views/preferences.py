"""The switches for theme and density, stored in cookies."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from monitor.access.roles import Role, needs
from monitor.preferences import SWITCHES, remember
from monitor.views.requests import redirect_back


@require_POST
@needs(Role.VIEWER)
def preferences_change(request: HttpRequest) -> HttpResponse:
    """Store the choice and return to the previous page."""
    response = redirect_back(request, "fleet")
    for name in SWITCHES.keys() & request.POST.keys():
        remember(response, name, request.POST[name])
    return response
