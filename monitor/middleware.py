"""Who acts while a request is answered, and is it one that can be answered at all?"""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase

from backups.activity import WEB, Actor, acting_as
from monitor.access.addresses import client_address


class ActingMiddleware:
    """Lets whatever is changed during a request be recorded as its user's doing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        def actor() -> Actor:
            # Asked for when something is recorded: a page that changes nothing costs nothing.
            return Actor(request.user.get_username() or "nobody", WEB, client_address(request))

        with acting_as(actor):
            return self._get_response(request)


class NoNulMiddleware:
    """Answers 400 to a NUL: no word here has one, and PostgreSQL refuses to be asked for it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "\0" in request.path or _holds_nul(request.GET) or _holds_nul(request.POST):
            raise BadRequest("the address or the form holds a NUL byte")
        return self._get_response(request)


def _holds_nul(words: QueryDict) -> bool:
    return any("\0" in word for name, values in words.lists() for word in (name, *values))
