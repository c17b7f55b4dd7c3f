"""The switches for theme and density: remembered in the browser, by a POST."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from monitor.preferences import SWITCHES, remember
from monitor.roles import Role, needs


@require_POST
@needs(Role.VIEWER)
def preferences_change(request: HttpRequest) -> HttpResponse:
    """Remember what was chosen and go back to where the reader was."""
    response = redirect(_page_to_return_to(request))
    for name in SWITCHES.keys() & request.POST.keys():
        remember(response, name, request.POST[name])
    return response


def _page_to_return_to(request: HttpRequest) -> str:
    page = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        page, {request.get_host()}, require_https=request.is_secure()
    )
    return page if ours else "fleet"
