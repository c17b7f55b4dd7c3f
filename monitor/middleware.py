"""On whose behalf does a request act, and is it valid?"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase

from backups.activity import WEB, Actor, acting_as
from backups.visible import visible
from monitor.access.addresses import client_address

# What a form sends back as it is; other tags; and the text between tags.
_PARTS = re.compile(
    r"(?P<sent><textarea\b.*?</textarea>|<(?:input|option)\b[^>]*>)|(?P<tag><[^>]*>)|(?P<text>[^<]+)",
    re.DOTALL | re.IGNORECASE,
)
_WRITTEN_OUT = re.compile(r"\\u(?:061c|20[0-6][0-9a-f])")


class DirectionMiddleware:
    """Write out the marks with which a name from a server would turn a page's text around."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if isinstance(response, HttpResponse) and response["Content-Type"].startswith("text/html"):
            html = response.content.decode(response.charset)
            if visible(html) != html:
                response.content = _PARTS.sub(_part, html)
        return response


def _part(match: re.Match[str]) -> str:
    part = match[0]
    if match["sent"] or (shown := visible(part)) == part:
        return part
    return shown if match["tag"] else _WRITTEN_OUT.sub(r"<bdi>\g<0></bdi>", shown)


class ActingMiddleware:
    """Record changes during a request as activity of its user."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        def actor() -> Actor:
            # Evaluated only when something is recorded: reading pages cost nothing.
            return Actor(request.user.get_username() or "nobody", WEB, client_address(request))

        with acting_as(actor):
            return self._get_response(request)


class NoNulMiddleware:
    """Respond with 400 to a NUL byte: PostgreSQL rejects it in text."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "\0" in request.path or _holds_nul(request.GET) or _holds_nul(request.POST):
            raise BadRequest("the address or the form contains a NUL byte")
        return self._get_response(request)


def _holds_nul(query: QueryDict) -> bool:
    return any("\0" in text for name, values in query.lists() for text in (name, *values))
