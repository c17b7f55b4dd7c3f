"""On whose behalf does a request act, and is it valid?"""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase

from backups.activity import WEB, Actor, acting_as
from monitor.access.addresses import client_address


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
